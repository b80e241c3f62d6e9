using System;
using System.IO;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;

namespace GodotSDK.Tests;

/// <summary>Logins and refreshes, with rooms on fake links where they matter.</summary>
public static class SessionTests
{
    private const string Refused = """{"error":{"code":"unauthorized","message":"not valid any more"}}""";

    private static Stage With(Action<FakeHttp>? routes = null, Action<GodotClientOptions>? change = null)
    {
        var stage = new Stage(options =>
        {
            options.TokenProvider = null;
            change?.Invoke(options);
        });
        stage.Http.On("POST /guest-login", FakeHttp.Answer(200, FakeHttp.Login(1)));
        stage.Http.On("POST /refresh", FakeHttp.Answer(200, FakeHttp.Login(2)), FakeHttp.Answer(200, FakeHttp.Login(3)));
        stage.Http.On("POST /api/rpc", 200, """{"result":1}""");
        routes?.Invoke(stage.Http);
        stage.Client.SessionEnded += cause => stage.Seen.Add($"session ended {cause.Code}");
        return stage;
    }

    private static async Task<Stage> InARoomAsync(Action<FakeHttp>? routes = null)
    {
        var stage = With(routes);
        await stage.Client.Auth.EnsureAsync();
        await stage.JoinedAsync();
        return stage;
    }

    /// <summary>Refreshes run on the pool, so what follows from one comes a moment later.</summary>
    private static async Task<string[]> SeenAsync(Stage stage, string last)
    {
        var seen = Array.Empty<string>();
        await Check.SoonAsync(() => (seen = [.. seen, .. stage.Poll()]).Contains(last), $"{last} among {string.Join(", ", seen)}");
        return seen;
    }

    public static async Task TestEnsureTakesTheKeptSessionElseAGuest()
    {
        var store = new MemorySessionStore();
        var first = With(change: o => o.SessionStore = store);
        Check.Equal("t1", (await first.Client.Auth.EnsureAsync()).Token);
        await first.Client.Auth.EnsureAsync();
        Check.Equal(1, first.Http.Asked.Count, "once:");
        var second = With(change: o => o.SessionStore = store);
        Check.Equal("t1", (await second.Client.Auth.EnsureAsync()).Token);
        Check.Equal(0, second.Http.Asked.Count);
    }

    public static async Task TestEnsureStartsAnewWhenTheKeptSessionIsOver()
    {
        var store = new MemorySessionStore();
        await store.SaveAsync(Session.FromJson("""{"token":"old","refresh_token":"gone","expires_in":60,"expires_at":1}""")!);
        var stage = With(http => http.On("POST /refresh", 401, Refused), o => o.SessionStore = store);
        Check.Equal("t1", (await stage.Client.Auth.EnsureAsync()).Token);
    }

    public static async Task TestATokenNearItsEndIsRefreshedFirstAndOnce()
    {
        var stage = With(http => http.On("POST /guest-login", 200, FakeHttp.Login(1, expiresIn: 100)));
        await stage.Client.Auth.EnsureAsync();
        await stage.Client.RpcAsync("x");
        Check.Equal(0, stage.Http.Calls("POST /refresh"), "a tenth of its time is not begun:");
        stage.Clock.Advance(90_000);
        await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => stage.Client.RpcAsync("x")));
        Check.Equal(1, stage.Http.Calls("POST /refresh"));
        Check.That(stage.Http.Asked.TakeLast(3).All(ask => ask.Headers["Authorization"] == "Bearer t2"), "the new token is used");
    }

    public static async Task TestAGuestMaySayHowOthersSeeIt()
    {
        var stage = With();
        await stage.Client.Auth.GuestAsync();
        await stage.Client.Auth.GuestAsync("Ann");
        Check.List(stage.Http.Asked.Select(ask => ask.Body), "{}", """{"nickname":"Ann"}""");
    }

    public static async Task TestTheServersOwn401IsTriedOnceMoreAndAScriptsIsNot()
    {
        var ran = false;
        var stage = With(http => http.On("POST /api/rpc", ask => Task.FromResult(ask.Headers["Authorization"] == "Bearer t1"
            ? new HttpAnswer(401, Refused) { HasRun = ran }
            : new HttpAnswer(200, """{"result":1}"""))));
        await stage.Client.Auth.EnsureAsync();
        Check.Equal(1, (int)await stage.Client.RpcAsync("x"));
        ran = true;
        var other = With(http => http.On("POST /api/rpc", _ => Task.FromResult(new HttpAnswer(401, Refused) { HasRun = true })));
        await other.Client.Auth.EnsureAsync();
        await Check.FailsAsync(other.Client.RpcAsync("x"), "unauthorized");
        Check.Equal(0, other.Http.Calls("POST /refresh"));
    }

    public static async Task TestALostAnswerIsAskedForAgain()
    {
        var stage = With(http => http.On(
            "POST /refresh",
            _ => throw new GodraException("unavailable", "cut"),
            FakeHttp.Answer(200, FakeHttp.Login(2))));
        await stage.Client.Auth.EnsureAsync();
        await stage.Client.Auth.RefreshAsync();
        Check.List(stage.Http.Asked.Skip(1).Select(ask => ask.Body), """{"refresh_token":"r1"}""", """{"refresh_token":"r1"}""");
        Check.Equal("t2", stage.Client.Session!.Token);
    }

    public static async Task TestANewSessionIsKeptBeforeItIsUsed()
    {
        var store = new SlowStore();
        var stage = With(change: o => o.SessionStore = store);
        var login = stage.Client.Auth.EnsureAsync();
        await Check.SoonAsync(() => store.Saving != null, "it is being kept");
        Check.Equal(null, stage.Client.Session);
        store.Saving!.SetResult(true);
        await login;
        Check.Equal("t1", stage.Client.Session!.Token);
    }

    public static async Task TestTwoClientsOnOneStoreRefreshOnce()
    {
        var store = new MemorySessionStore();
        var (first, second) = (With(change: o => o.SessionStore = store), With(change: o => o.SessionStore = store));
        await first.Client.Auth.EnsureAsync();
        await second.Client.Auth.EnsureAsync();
        await first.Client.Auth.RefreshAsync();
        await second.Client.Auth.RefreshAsync();
        Check.Equal(0, second.Http.Calls("POST /refresh"));
        Check.Equal("t2", second.Client.Session!.Token);
    }

    public static async Task TestA4001IsFollowedByARefresh()
    {
        var stage = await InARoomAsync();
        stage.Link.End(4001, "expired");
        await Check.SoonAsync(() => stage.Client.Session!.Token == "t2", "refreshed");
        stage.Clock.Advance(200);
        await Check.SoonAsync(() => stage.Links.Count == 2, "another connection");
        Check.Equal("t2", stage.Link.Request.Token);
        stage.Link.Welcome("\"recovered\":true");
        Check.List(stage.Poll(), "disconnected 4001 comes back", "reconnecting 1 200", "recovered");
    }

    public static async Task TestA4001AndARefusedRefreshIsTheEndAtOnce()
    {
        var stage = await InARoomAsync(http => http.On("POST /refresh", 401, Refused));
        stage.Poll();
        stage.Link.End(4001, "expired");
        var seen = await SeenAsync(stage, "disconnected 4001 over session_ended");
        Check.List(seen, "disconnected 4001 comes back", "reconnecting 1 200", "session ended session_ended", "disconnected 4001 over session_ended");
        stage.Clock.Advance(1e6);
        Check.Equal(1, stage.Links.Count, "no further connection:");
        Check.List(stage.Poll());
    }

    public static async Task TestA401AtTheDoorIsRefreshedOnce()
    {
        var stage = With();
        await stage.Client.Auth.EnsureAsync();
        var joining = stage.Join();
        await Check.SoonAsync(() => stage.Links.Count == 1, "a connection");
        stage.Link.Refuse(401);
        await Check.SoonAsync(() => stage.Links.Count == 2, "another connection");
        Check.Equal("t2", stage.Link.Request.Token);
        stage.Link.Refuse(401);
        Check.Equal(401, (await Check.FailsAsync(joining, "session_ended")).Status);
    }

    public static async Task TestABusyServerAtTheRefreshIsNotTheEnd()
    {
        var stage = await InARoomAsync(http => http.On(
            "POST /refresh",
            FakeHttp.Answer(503, """{"error":{"code":"busy","message":"later"}}"""),
            FakeHttp.Answer(503, """{"error":{"code":"busy","message":"later"}}"""),
            FakeHttp.Answer(200, FakeHttp.Login(2))));
        stage.Link.End(4001);
        await Check.SoonAsync(
            () =>
            {
                if (stage.Clock.NextMs is double wait && stage.Room.Connection == RoomConnection.Rejoining) stage.Clock.Advance(wait);
                return stage.Links.Count == 2;
            },
            "another connection");
        Check.Equal("t2", stage.Link.Request.Token);
    }

    public static async Task TestLogoutEndsTheRoomsEvenIfTheServerIsAway()
    {
        var stage = await InARoomAsync();
        stage.Poll();
        await Check.FailsAsync(stage.Client.Auth.LogoutAsync(), "unavailable");
        Check.List(stage.Poll(), "disconnected 1000 over session_ended");
        Check.Equal(null, stage.Client.Session);
        stage.Clock.Advance(1e6);
        Check.Equal(1, stage.Links.Count);
    }

    public static async Task TestAnotherUserEndsTheRoomsAndTheSameOneDoesNot()
    {
        var stage = await InARoomAsync();
        stage.Http.On("POST /login", FakeHttp.Answer(200, FakeHttp.Login(5)), FakeHttp.Answer(200, FakeHttp.Login(6, user: "42")));
        await stage.Client.Auth.LoginAsync("a", "b");
        Check.Equal(RoomConnection.Joined, stage.Room.Connection);
        await stage.Client.Auth.LoginAsync("a", "b");
        Check.Equal(RoomConnection.Left, stage.Room.Connection);
        Check.Equal("42", stage.Client.Session!.UserId);
    }

    public static async Task TestAnUpgradeWhoseAnswerComesLateKeepsTheRoom()
    {
        var answer = new TaskCompletionSource<HttpAnswer>();
        var stage = await InARoomAsync(http => http.On("POST /account/upgrade", _ => answer.Task));
        var upgrading = stage.Client.Auth.UpgradeAsync("name", "password");
        stage.Link.End(4001, "upgraded");
        stage.Clock.Advance(200);
        await Task.Delay(50);
        Check.Equal(1, stage.Links.Count, "it waits for the new login:");
        answer.SetResult(new HttpAnswer(200, FakeHttp.Login(7, user: "42")));
        await upgrading;
        await Check.SoonAsync(() => stage.Links.Count == 2, "another connection");
        Check.Equal("t7", stage.Link.Request.Token);
        Check.Equal("?game_id=a&refuse=close", stage.Link.Request.Address.Query, "another player has seen nothing yet:");
        Check.Equal(0, stage.Http.Calls("POST /refresh"));
        Check.That(!stage.Poll().Any(seen => seen.StartsWith("session ended")), "the session goes on");
        Check.That(stage.Http.Asked.First(ask => ask.Address.AbsolutePath == "/account/upgrade").Body!.Contains("\"rooms\":[\"a\"]"), "names its rooms");
    }

    public static async Task TestLoginsWithoutAPasswordSendWhatTheProtocolNames()
    {
        var stage = With(http => http
            .On("POST /external-login", FakeHttp.Answer(200, FakeHttp.Login(4, user: "7")))
            .On("POST /device-login", FakeHttp.Answer(200, FakeHttp.Login(5, user: "7")))
            .On("POST /account/identities", 200, """{"identities":[],"has_password":true}""")
            .On("DELETE /account/identities/https%3A%2F%2Fid.example/user%7C7", 204, ""));
        Check.Equal("t4", (await stage.Client.Auth.LoginWithTokenAsync("jwt")).Token);
        Check.Equal("""{"token":"jwt"}""", stage.Http.Asked.Last().Body);
        var device = new Device("an-id-of-a-device", "s");
        await stage.Client.Auth.LoginWithDeviceAsync(device);
        Check.Equal("""{"device_id":"an-id-of-a-device","secret":"s"}""", stage.Http.Asked.Last().Body);
        var upgraded = await stage.Client.Auth.LinkIdentityAsync(Credential.OfToken("jwt"), Credential.OfPassword("p"));
        Check.Equal(false, upgraded);
        Check.Equal("""{"token":"jwt","rooms":[],"proof":{"password":"p"}}""", stage.Http.Asked.Last().Body);
        Check.Equal("t5", stage.Client.Session!.Token);
        await stage.Client.Auth.UnlinkIdentityAsync("https://id.example", "user|7", Credential.OfDevice(device));
        Check.Equal("""{"proof":{"device_id":"an-id-of-a-device","secret":"s"}}""", stage.Http.Asked.Last().Body);
        Check.Equal("Bearer t5", stage.Http.Asked.Last().Headers["Authorization"]);
    }

    public static async Task TestAnAccountIsRenamedAndDeletedByAProof()
    {
        var stage = With(http => http
            .On("POST /device-login", FakeHttp.Answer(200, FakeHttp.Login(5, user: "7")))
            .On("PATCH /account", 200, """{"user_id":"7","username":"Zoe","role":"player"}""")
            .On("DELETE /account", 204, ""));
        var device = new Device("an-id-of-a-device", "s");
        await stage.Client.Auth.LoginWithDeviceAsync(device);
        Check.Equal("Zoe", (await stage.Client.Auth.RenameAsync("Zoe", Credential.OfToken("jwt"))).Username);
        Check.Equal("Zoe", stage.Client.Session!.Username);
        Check.Equal("""{"username":"Zoe","proof":{"token":"jwt"}}""", stage.Http.Asked.Last().Body);
        await stage.Client.Auth.DeleteAsync(Credential.OfDevice(device));
        Check.Equal("""{"proof":{"device_id":"an-id-of-a-device","secret":"s"}}""", stage.Http.Asked.Last().Body);
        Check.Equal(null, stage.Client.Session);
    }

    public static async Task TestAGuestThatLinksGoesOnAsThePlayer()
    {
        var stage = await InARoomAsync(http => http.On("POST /account/identities", 200, FakeHttp.Login(7, user: "42")));
        Check.Equal(true, await stage.Client.Auth.LinkIdentityAsync(Credential.OfToken("jwt")));
        Check.Equal("42", stage.Client.Session!.UserId);
        Check.Equal("""{"token":"jwt","rooms":["a"]}""", stage.Http.Asked.Last(ask => ask.Address.AbsolutePath == "/account/identities").Body);
    }

    public static void TestANewDeviceIsRandom()
    {
        var devices = Enumerable.Range(0, 20).Select(_ => Device.Random()).ToList();
        Check.That(devices.All(device => device.Id.Length == 22 && device.Secret.Length == 43), "of the length that servers take");
        Check.Equal(40, devices.SelectMany(device => new[] { device.Id, device.Secret }).Distinct().Count());
    }

    public static async Task TestACallWithoutALogin() => await Check.FailsAsync(With().Client.RpcAsync("x"), "unauthorized");

    public static async Task TestABadLogin()
    {
        foreach (var body in new[] { "{}", """{"token":7}""", """{"token":""}""" })
        {
            await Check.FailsAsync(With(http => http.On("POST /guest-login", 200, body)).Client.Auth.GuestAsync(), "bad_response");
        }
    }

    public static async Task TestASessionInAFile()
    {
        var folder = Directory.CreateTempSubdirectory("godra-test-").FullName;
        var store = new FileSessionStore(Path.Combine(folder, "deep", "session.json"));
        Check.Equal(null, await store.LoadAsync());
        await store.ClearAsync();
        foreach (var number in new[] { 1, 2 })
        {
            await store.SaveAsync(Session.FromJson(FakeHttp.Login(number, user: "Ä"))!);
            Check.Equal($"r{number}", (await store.LoadAsync())!.RefreshToken);
        }
        var file = Directory.GetFiles(folder, "*", SearchOption.AllDirectories).Single();
        // .NET Standard cannot say who may read a file.
        if (!Build.IsStandard) Check.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        await File.WriteAllTextAsync(file, "{\"tok");
        Check.Equal(null, await store.LoadAsync(), "half of one:");
        await store.ClearAsync();
        Check.That(!File.Exists(file), "forgotten");
        Directory.Delete(folder, recursive: true);
    }

    public static async Task TestAStoreThatFailsEndsNoGame()
    {
        var stage = With(change: o => o.SessionStore = new BrokenStore());
        Check.Equal("t1", (await stage.Client.Auth.EnsureAsync()).Token);
        Check.That(stage.Logged.Count >= 2, "logged");
    }

    private sealed class SlowStore : ISessionStore
    {
        public TaskCompletionSource<bool>? Saving { get; private set; }

        public Task<Session?> LoadAsync(CancellationToken cancel = default) => Task.FromResult<Session?>(null);

        public Task SaveAsync(Session session, CancellationToken cancel = default) => (Saving = new TaskCompletionSource<bool>()).Task;

        public Task ClearAsync(CancellationToken cancel = default) => Task.CompletedTask;
    }

    private sealed class BrokenStore : ISessionStore
    {
        public Task<Session?> LoadAsync(CancellationToken cancel = default) => throw new IOException("planted");

        public Task SaveAsync(Session session, CancellationToken cancel = default) => throw new IOException("planted");

        public Task ClearAsync(CancellationToken cancel = default) => throw new IOException("planted");
    }
}
