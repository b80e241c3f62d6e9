using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;

namespace GodotSDK.Tests;

/// <summary>Which tokens still help, who ends a session, and who shares one.</summary>
public static class SessionEndTests
{
    private const string Over = """{"error":{"code":"session_ended","message":"over"}}""";
    private const string Expired = """{"error":{"code":"token_expired","message":"too old"}}""";

    private static Stage With(Action<FakeHttp>? routes = null, Action<GodotClientOptions>? change = null)
    {
        var stage = new Stage(options =>
        {
            options.TokenProvider = null;
            change?.Invoke(options);
        });
        stage.Http.On("POST /guest-login", FakeHttp.Answer(200, FakeHttp.Login(1)));
        stage.Http.On("POST /refresh", FakeHttp.Answer(200, FakeHttp.Login(2)), FakeHttp.Answer(200, FakeHttp.Login(3)));
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

    private static async Task<string[]> SeenAsync(Stage stage, string last)
    {
        var seen = Array.Empty<string>();
        await Check.SoonAsync(() => (seen = [.. seen, .. stage.Poll()]).Contains(last), $"{last} among {string.Join(", ", seen)}");
        return seen;
    }

    public static async Task TestNoRefreshHelpsASessionThatIsOver()
    {
        var stage = await InARoomAsync();
        stage.Link.End(4001, "session_ended: logged out elsewhere");
        Check.List(await SeenAsync(stage, "disconnected 4001 over session_ended"), "session ended session_ended", "disconnected 4001 over session_ended");
        Check.Equal(0, stage.Http.Calls("POST /refresh"));
        Check.Equal(null, stage.Client.Session);
        stage.Clock.Advance(1e6);
        Check.Equal(1, stage.Links.Count);
    }

    public static async Task TestACallThatIsToldSoEndsTheSession()
    {
        var stage = await InARoomAsync(http => http.On("POST /api/rpc", 401, Over));
        var error = await Check.FailsAsync(stage.Client.RpcAsync("x"), "session_ended");
        Check.Equal(Outcome.None, error.Outcome);
        Check.Equal((1, 0), (stage.Http.Calls("POST /api/rpc"), stage.Http.Calls("POST /refresh")));
        Check.List(await SeenAsync(stage, "disconnected 1000 over session_ended"), "session ended session_ended", "disconnected 1000 over session_ended");
    }

    public static async Task TestACallThatGotNoTokenDidNotRun()
    {
        var stage = await InARoomAsync(http => http.On("POST /refresh", 503, Over));
        stage.Clock.Advance(1e9);
        Check.Equal(Outcome.None, (await Check.ThrowsAsync<GodraException>(() => stage.Client.RpcAsync("x"))).Outcome);
    }

    public static async Task TestASecond401AtTheDoorEndsTheSession()
    {
        var stage = await InARoomAsync();
        stage.Link.End(1006);
        stage.Clock.Advance(200);
        stage.Link.Receive("""{"type":"error","payload":{"code":"token_expired","message":"m","status":401}}""");
        await Check.SoonAsync(() => stage.Links.Count == 3, "one more attempt");
        Check.Equal("t2", stage.Link.Request.Token);
        stage.Link.Receive("""{"type":"error","payload":{"code":"unauthorized","message":"m","status":401}}""");
        var seen = await SeenAsync(stage, "disconnected 1006 over session_ended");
        Check.List(seen[^2..], "session ended session_ended", "disconnected 1006 over session_ended");
    }

    public static async Task TestWithoutARefreshTokenAClosedSocketEndsTheSession()
    {
        var stage = With(http => http.On("POST /guest-login", 200, """{"token":"t1","user_id":"guest:1","expires_in":60}"""));
        await stage.Client.Auth.EnsureAsync();
        await stage.JoinedAsync();
        stage.Link.End(4001, "token_expired: too old");
        Check.List(await SeenAsync(stage, "disconnected 4001 over session_ended"), "session ended session_ended", "disconnected 4001 over session_ended");
    }

    public static async Task TestALogoutOfAnOldTokenStillEndsTheSessionOnTheServer()
    {
        var stage = await InARoomAsync(http => http.On("POST /logout", FakeHttp.Answer(401, Expired), FakeHttp.Answer(204, "")));
        await stage.Client.Auth.LogoutAsync();
        Check.List(stage.Http.Asked.Select(ask => ask.Address.AbsolutePath), "/guest-login", "/logout", "/refresh", "/logout");
        Check.Equal("Bearer t2", stage.Http.Asked[^1].Headers["Authorization"]);
        Check.List(stage.Poll(), "disconnected 1000 over session_ended");
    }

    public static async Task TestALogoutEndsTheRoomsBeforeAnybodyAnswers()
    {
        var answer = new TaskCompletionSource<HttpAnswer>();
        var stage = await InARoomAsync(http => http.On("POST /logout", _ => answer.Task));
        var logout = stage.Client.Auth.LogoutAsync();
        Check.List(stage.Poll(), "disconnected 1000 over session_ended");
        answer.SetResult(new HttpAnswer(204, ""));
        await logout;
    }

    public static async Task TestEnsureOfTwoIsOneGuest()
    {
        var answer = new TaskCompletionSource<HttpAnswer>();
        var stage = With(http => http.On("POST /guest-login", _ => answer.Task));
        using var cancel = new CancellationTokenSource();
        var (first, second) = (stage.Client.Auth.EnsureAsync(cancel.Token), stage.Client.Auth.EnsureAsync());
        cancel.Cancel();
        await Check.ThrowsAsync<OperationCanceledException>(() => first);
        answer.SetResult(new HttpAnswer(200, FakeHttp.Login(1)));
        Check.Equal("t1", (await second).Token);
        Check.Equal(1, stage.Http.Calls("POST /guest-login"));
    }

    public static async Task TestResumeAsksNobody()
    {
        var store = new MemorySessionStore();
        var stage = With(change: o => o.SessionStore = store);
        Check.Equal(null, await stage.Client.Auth.ResumeAsync());
        await store.SaveAsync(Session.FromJson("""{"token":"t1","refresh_token":"r1","user_id":"7","expires_at":4000000000000}""")!);
        Check.Equal("7", (await stage.Client.Auth.ResumeAsync())!.UserId);
        Check.Equal(0, stage.Http.Asked.Count);
    }

    public static async Task TestAStoredSessionWithoutItsLengthIsGoodUntilItsEnd()
    {
        var store = new MemorySessionStore();
        var stage = With(http => http.On("POST /api/rpc", 200, """{"result":1}"""), o => o.SessionStore = store);
        await store.SaveAsync(Session.FromJson($$"""{"token":"t1","refresh_token":"r1","user_id":"7","expires_at":{{stage.Clock.WallMs + 600_000}} }""")!);
        await stage.Client.Auth.ResumeAsync();
        await stage.Client.RpcAsync("x");
        Check.Equal(0, stage.Http.Calls("POST /refresh"));
        stage.Clock.Advance(541_000);
        await stage.Client.RpcAsync("x");
        Check.Equal(1, stage.Http.Calls("POST /refresh"));
    }

    public static async Task TestWhoEndsASessionLeavesANewerOneInTheStore()
    {
        var store = new MemorySessionStore();
        var stage = With(change: o => o.SessionStore = store);
        await stage.Client.Auth.EnsureAsync();
        await stage.JoinedAsync();
        await store.SaveAsync(Session.FromJson(FakeHttp.Login(9, user: "42"))!);
        stage.Link.End(4001, "session_ended: upgraded elsewhere");
        await SeenAsync(stage, "disconnected 4001 over session_ended");
        Check.Equal("t9", (await store.LoadAsync())!.Token);
    }

    public static async Task TestTheLocksOfBothStoresLetOneInAtATime()
    {
        var folder = Directory.CreateTempSubdirectory("godra-test-").FullName;
        try
        {
            var path = Path.Combine(folder, "sub", "session.json");
            foreach (var (one, other) in new (ISessionLock, ISessionLock)[] { Twice(new MemorySessionStore()), (new FileSessionStore(path), new FileSessionStore(path)) })
            {
                var held = await one.LockAsync();
                var waiting = other.LockAsync();
                await Task.Delay(100);
                Check.That(!waiting.IsCompleted, "it waits");
                using var cancel = new CancellationTokenSource(30);
                await Check.ThrowsAsync<OperationCanceledException>(() => one.LockAsync(cancel.Token));
                held.Dispose();
                held.Dispose();
                (await waiting.WaitAsync(TimeSpan.FromSeconds(5))).Dispose();
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static (ISessionLock, ISessionLock) Twice(MemorySessionStore store) => (store, store);

    public static async Task TestClientsOnOneFileRefreshOnceAlsoAtTheSameMoment()
    {
        var folder = Directory.CreateTempSubdirectory("godra-test-").FullName;
        try
        {
            var path = Path.Combine(folder, "session.json");
            await new FileSessionStore(path).SaveAsync(Session.FromJson(FakeHttp.Login(1))!);
            var calls = 0;
            var stages = Enumerable.Range(0, 4).Select(_ => With(
                http => http.On("POST /refresh", async _ =>
                {
                    Interlocked.Increment(ref calls);
                    await Task.Delay(100);
                    return new HttpAnswer(200, FakeHttp.Login(2));
                }),
                o => o.SessionStore = new FileSessionStore(path))).ToList();
            foreach (var stage in stages) await stage.Client.Auth.ResumeAsync();
            await Task.WhenAll(stages.Select(stage => stage.Client.Auth.RefreshAsync()));
            Check.Equal(1, calls);
            Check.That(stages.All(stage => stage.Client.Session!.Token == "t2"), "all go on with it");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
