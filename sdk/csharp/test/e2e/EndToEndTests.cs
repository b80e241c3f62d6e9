using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Diagnostics;
using System.Linq;
using System.Threading.Tasks;
using Newtonsoft.Json.Linq;

namespace GodotSDK.Tests;

/// <summary>Games against the real server, over networks that break and restarts.</summary>
public static class EndToEndTests
{
    /// <summary>A guest in a lobby, and all that they saw.</summary>
    private sealed class Player(GodotClient client) : IAsyncDisposable
    {
        public readonly GodotClient Client = client;
        public readonly ConcurrentQueue<RoomEvent> Events = new();
        public readonly ConcurrentQueue<bool> Returns = new();
        public readonly ConcurrentQueue<DisconnectedArgs> Losses = new();
        public readonly ConcurrentQueue<double> BackAt = new();
        public Room Room = null!;

        public string Id => Room.Welcome!.UserId;

        public static async Task<Player> EnterAsync(string url, string? lobbyId = null)
        {
            var player = new Player(new GodotClient(url, new GodotClientOptions { Reducers = LobbyReducers.All, Log = (_, _) => { } }));
            await player.Client.Auth.EnsureAsync();
            player.Room = lobbyId == null
                ? await player.Client.CreateRoomAsync(new RoomSettings { Capacity = 8, Settings = new JObject { ["max_speed"] = 0 } }, player.Watch)
                : await player.Client.JoinAsync(lobbyId, player.Watch);
            await Check.SoonAsync(() => player.Returns.Count == 1, "connected");
            return player;
        }

        public IEnumerable<RoomEvent> Of(string type) => Events.Where(e => e.Type == type);

        public JToken? Field(string name) => (Room.State["state"] as JObject)?[name];

        public ValueTask DisposeAsync() => Client.DisposeAsync();

        private void Watch(Room room)
        {
            room.Event += Events.Enqueue;
            room.Disconnected += Losses.Enqueue;
            room.Connected += welcome =>
            {
                BackAt.Enqueue(SystemClock.Instance.NowMs);
                Returns.Enqueue(welcome.Recovered);
            };
        }
    }

    private static Payload Set(string name, object? value) => new Dictionary<string, object?> { [name] = value };

    public static async Task TestTwoPlayersSeeEachOtherMoveAndTalk()
    {
        using var server = await GodraServer.StartAsync();
        await using var ann = await Player.EnterAsync(server.Url);
        await using var bob = await Player.EnterAsync(server.Url, ann.Room.Id);
        await Check.SoonAsync(() => ann.Room.State["players"]?[bob.Id] != null, "Ann sees Bob come");
        for (var step = 1; step <= 200; step++)
        {
            ann.Room.SendLatest("move_player", Payload.Of(("x", step), ("y", 2.5)));
            if (step % 10 == 0) await Task.Delay(5);
        }
        await Check.SoonAsync(() => (double?)bob.Room.State["players"]![ann.Id]!["x"] == 200, "Bob sees where Ann is in the end");
        Check.That(bob.Of("player_moved").Count() < 100, "not every step was sent");
        Check.That(bob.Room.Send("send_chat", Payload.Of(("message", "grüß \"dich\" 😀"))), "sent");
        await Check.SoonAsync(() => ann.Of("chat").Any(e => (string?)e.Payload["message"] == "grüß \"dich\" 😀"), "Ann reads it");
        Check.Equal("OK", (string?)await bob.Room.RequestAsync("send_chat", Payload.Of(("message", "again"))));
        var error = await Check.FailsAsync(bob.Room.RequestAsync("move_player", Payload.Of(("x", -1), ("y", 0))), "out_of_bounds");
        Check.Equal(Outcome.Ran, error.Outcome);
        Check.That((await ann.Client.ListRoomsAsync()).Lobbies.Any(lobby => lobby.Id == $"game:{ann.Room.Id}" && lobby.Members == 2), "it is in the list");
        await bob.Room.LeaveAsync();
        await Check.SoonAsync(() => ann.Room.State["players"]![bob.Id] == null, "Ann sees Bob go");
        await Check.SoonAsync(() => bob.Losses.Count == 1, "Bob's room is over");
        Check.Equal((1000, false), (bob.Losses.Single().Code, bob.Losses.Single().WillReconnect));
    }

    public static async Task TestOnceRequestsOverACutConnectionRunExactlyOnce()
    {
        using var server = await GodraServer.StartAsync();
        using var network = new FlakyNetwork(server.Port);
        await using var witness = await Player.EnterAsync(server.Url);
        await using var player = await Player.EnterAsync(network.Url, witness.Room.Id);
        var answers = new List<Task<JToken>>();
        for (var round = 0; round < 5; round++)
        {
            for (var i = 0; i < 4; i++) answers.Add(SayAsync(player, answers.Count));
            // The first ones run, and their answers get lost.
            network.LoseAnswers();
            for (var i = 0; i < 4; i++) answers.Add(SayAsync(player, answers.Count));
            await Task.Delay(60);
            network.Cut();
            for (var i = 0; i < 4; i++) answers.Add(SayAsync(player, answers.Count));
            await Task.Delay(30);
            network.Mend();
            await Check.SoonAsync(() => player.Returns.Count == round + 2, "back");
        }
        var results = await Task.WhenAll(answers).WaitAsync(TimeSpan.FromSeconds(20));
        Check.That(results.All(result => (string?)result == "OK"), "every one has its first answer");
        await Check.SoonAsync(() => witness.Of("chat").Count() >= answers.Count, "all were said");
        await Task.Delay(200);
        Check.List(witness.Of("chat").Select(e => (string)e.Payload["message"]!), Enumerable.Range(0, answers.Count).Select(i => $"{i}").ToArray());
        // Who was cut off has heard each exactly once, too.
        await Check.SoonAsync(() => player.Of("chat").Count() >= answers.Count, "the player heard them");
        Check.List(player.Of("chat").Select(e => (string)e.Payload["message"]!), Enumerable.Range(0, answers.Count).Select(i => $"{i}").ToArray());
        Check.Equal(5, player.Losses.Count);
        Check.List(player.Returns, false, true, true, true, true, true);
    }

    private static Task<JToken> SayAsync(Player player, int number) =>
        player.Room.RequestAsync("send_chat", Payload.Of(("message", $"{number}")), new RequestOptions { Once = true });

    public static async Task TestARestartedServerHasItsPlayersBackWithinASecond()
    {
        using var server = await GodraServer.StartAsync();
        await using var ann = await Player.EnterAsync(server.Url);
        await using var bob = await Player.EnterAsync(server.Url, ann.Room.Id);
        await ann.Room.RequestAsync("set", Set("door", "open"));
        await Check.SoonAsync(() => bob.Field("door") != null, "Bob sees it");
        await server.TerminateAsync();
        await Task.Delay(700);
        await server.RestartAsync();
        var upAt = SystemClock.Instance.NowMs;
        await Check.SoonAsync(() => ann.Returns.Count == 2 && bob.Returns.Count == 2, "both are back");
        foreach (var player in new[] { ann, bob })
        {
            Check.Between(-500, 1_000, player.BackAt.Last() - upAt, "back after");
            Check.Equal(true, player.Returns.Last(), "state kept:");
            Check.Equal(1001, player.Losses.Single().Code);
            Check.Equal("open", (string?)player.Field("door"));
        }
        await bob.Room.RequestAsync("set", Set("door", "shut"));
        await Check.SoonAsync(() => (string?)ann.Field("door") == "shut", "they play on");
    }

    public static async Task TestAfterACrashTheStateIsWhatTheServerHas()
    {
        using var server = await GodraServer.StartAsync();
        await using var ann = await Player.EnterAsync(server.Url);
        await ann.Room.RequestAsync("set", Set("door", "open"));
        // The server writes its state every second.
        await Task.Delay(1_500);
        await server.KillAsync();
        await server.RestartAsync();
        var upAt = SystemClock.Instance.NowMs;
        await Check.SoonAsync(() => ann.Returns.Count == 2, "back");
        Check.Between(-500, 1_000, ann.BackAt.Last() - upAt, "back after");
        await using var witness = await Player.EnterAsync(server.Url, ann.Room.Id);
        await Check.SoonAsync(() => JToken.DeepEquals(ann.Room.State["state"], witness.Room.State["state"]), "they know the same");
        Check.Equal("open", (string?)ann.Field("door"));
    }

    public static async Task TestWhenTheServerHasLostTheRoomThatIsTheEndAndItsReason()
    {
        using var server = await GodraServer.StartAsync();
        await using var ann = await Player.EnterAsync(server.Url);
        await server.KillAsync();
        server.LoseState();
        var once = ann.Room.RequestAsync("set", Set("a", 1), new RequestOptions { Once = true });
        await server.RestartAsync();
        await Check.SoonAsync(() => ann.Losses.Count == 2, "the end");
        var end = ann.Losses.Last();
        Check.Equal((false, "not_found", 403), (end.WillReconnect, end.Cause?.Code, end.Cause?.Status));
        Check.Equal(Outcome.None, (await Check.FailsAsync(once, "disconnected")).Outcome);
    }

    public static async Task TestNothingIsMissedAndNothingComesTwice()
    {
        using var server = await GodraServer.StartAsync();
        using var network = new FlakyNetwork(server.Port);
        await using var writer = await Player.EnterAsync(server.Url);
        await using var reader = await Player.EnterAsync(network.Url, writer.Room.Id);
        var isDone = false;
        var writing = Task.Run(async () =>
        {
            for (var count = 0; !isDone; count++)
            {
                await writer.Room.RequestAsync("set", Payload.Of(("count", count), ($"field{count % 7}", count)));
                await Task.Delay(2);
            }
        });
        for (var round = 1; round <= 5; round++)
        {
            await Task.Delay(60);
            network.LoseAnswers();
            await Task.Delay(20);
            network.Cut();
            await Task.Delay(30);
            network.Mend();
            await Check.SoonAsync(() => reader.Returns.Count == round + 1, "back");
        }
        isDone = true;
        await writing;
        await writer.Room.RequestAsync("set", Set("end", true));
        await Check.SoonAsync(() => reader.Field("end") != null && writer.Field("end") != null, "the last one");
        await using var witness = await Player.EnterAsync(server.Url, writer.Room.Id);
        Check.JsonEqual(witness.Room.State["state"]!.ToString(), reader.Room.State["state"]);
        Check.List(reader.Returns.Skip(1), true, true, true, true, true);
        var seqs = reader.Events.Where(e => e.Seq != null).Select(e => e.Seq!.Value).ToList();
        Check.That(seqs.SequenceEqual(seqs.Distinct().Order()), "each once, in order");
        var (seen, all) = (CountsOf(reader), CountsOf(writer));
        Check.That(seen.SequenceEqual(all.SkipWhile(count => count != seen[0])), "none is missing");
    }

    private static List<long> CountsOf(Player player) => player.Of("state")
        .Select(e => (e.Payload["payload"] as JObject)?["count"]).Where(count => count != null).Select(count => (long)count!).ToList();

    public static async Task TestAGameThatDoesNotPollForAWhileIsRightInTheEnd()
    {
        using var server = await GodraServer.StartAsync();
        await using var writer = await Player.EnterAsync(server.Url);
        var options = new GodotClientOptions { Reducers = LobbyReducers.All, Dispatch = Dispatch.Manual, MaxWaitingMessages = 4 };
        await using var client = new GodotClient(server.Url, options);
        await client.Auth.EnsureAsync();
        var snapshots = 0;
        var room = await client.JoinAsync(writer.Room.Id, r => r.Snapshot += _ => snapshots += 1);
        var text = new string('x', 4_000);
        for (var i = 0; i < 4_000; i += 100)
        {
            await Task.WhenAll(Enumerable.Range(i, 100).Select(n => writer.Room.RequestAsync("set", Set($"field{n % 100}", $"{n} {text}"))));
        }
        await writer.Room.RequestAsync("set", Set("end", true));
        await Check.SoonAsync(() => client.Poll() >= 0 && (room.State["state"] as JObject)?["end"] != null, "all arrived");
        await Check.SoonAsync(() => writer.Field("end") != null, "with the writer, too");
        Check.JsonEqual(writer.Room.State["state"]!.ToString(), room.State["state"]);
        Check.That(snapshots > 0, "a snapshot came in place of what piled up");
        Check.Equal(RoomConnection.Joined, room.Connection);
    }

    public static async Task TestATokenThatEndsIsReplacedAndTheGameGoesOn()
    {
        using var server = await GodraServer.StartAsync("--token-ttl", "2s");
        await using var ann = await Player.EnterAsync(server.Url);
        await Check.SoonAsync(() => ann.Returns.Count >= 2, "back with another token", 20_000);
        Check.Equal((4001, true), (ann.Losses.First().Code, ann.Losses.First().WillReconnect));
        Check.That(ann.Returns.Skip(1).All(recovered => recovered), "nothing was missed");
    }

    public static async Task TestLogoutElsewhereIsTheEndOfTheSession()
    {
        using var server = await GodraServer.StartAsync();
        await using var ann = await Player.EnterAsync(server.Url);
        var ends = new ConcurrentQueue<GodraException>();
        ann.Client.SessionEnded += ends.Enqueue;
        var store = new MemorySessionStore();
        await store.SaveAsync(ann.Client.Session!);
        await using var elsewhere = new GodotClient(server.Url, new GodotClientOptions { SessionStore = store });
        await elsewhere.Auth.EnsureAsync();
        await elsewhere.Auth.LogoutAsync();
        await Check.SoonAsync(() => ann.Losses.Count == 1 && ends.Count == 1, "the end");
        Check.Equal((false, "session_ended", 4001), (ann.Losses.Last().WillReconnect, ann.Losses.Last().Cause?.Code, ann.Losses.Last().Code));
        Check.Equal(null, ann.Client.Session);
    }

    public static async Task TestAGuestBecomesAPlayerInTheSameRoom()
    {
        using var server = await GodraServer.StartAsync();
        await using var ann = await Player.EnterAsync(server.Url);
        await using var bob = await Player.EnterAsync(server.Url, ann.Room.Id);
        var guest = ann.Id;
        await ann.Client.Auth.UpgradeAsync("Ann", "a good password");
        await Check.SoonAsync(() => ann.Returns.Count == 2, "back");
        Check.That(ann.Id != guest && ann.Id == ann.Client.Session!.UserId, "as another user");
        await Check.SoonAsync(() => bob.Room.State["players"]![guest] == null && bob.Room.State["players"]![ann.Id] != null, "Bob sees it");
        Check.Equal("OK", (string?)await ann.Room.RequestAsync("set", Set("a", 1), new RequestOptions { Once = true }));
        Check.Equal("player", (await ann.Client.Auth.AccountAsync()).Role);
        await ann.Client.Auth.ChangePasswordAsync("a good password", "a better password");
        await Check.FailsAsync(ann.Client.Auth.LoginAsync("Ann", "a good password"), "unauthorized");
        await ann.Client.Auth.LoginAsync("Ann", "a better password");
    }

    public static async Task TestAnAccountIsRenamedAndDeleted()
    {
        using var server = await GodraServer.StartAsync();
        await using var ann = await Player.EnterAsync(server.Url);
        await ann.Client.Auth.UpgradeAsync("Ann", "a good password");
        await Check.SoonAsync(() => ann.Returns.Count == 2, "back");
        await Check.FailsAsync(ann.Client.Auth.RenameAsync("Zoe", "a wrong password"), "forbidden");
        Check.Equal("Zoe", (await ann.Client.Auth.RenameAsync("Zoe", "a good password")).Username);
        Check.Equal("Zoe", ann.Client.Session!.Username);
        await ann.Client.Auth.RefreshAsync();
        Check.Equal("Zoe", ann.Client.Session!.Username);
        var unknown = await Check.FailsAsync(ann.Client.Auth.ResetPasswordAsync("Zoe", "ABCD-EFGH-JKLM-NPQR", "a better password"), "unauthorized");
        Check.Equal(401, unknown.Status);
        await Check.FailsAsync(ann.Client.Auth.DeleteAsync(), "bad_request");
        await Check.FailsAsync(ann.Client.Auth.DeleteAsync("a wrong password"), "forbidden");
        Check.That(ann.Client.Session != null, "nothing has happened yet");
        await ann.Client.Auth.DeleteAsync("a good password");
        Check.Equal(null, ann.Client.Session);
        await Check.SoonAsync(() => ann.Losses.LastOrDefault()?.WillReconnect == false, "out of the room");
        await Check.FailsAsync(ann.Client.Auth.LoginAsync("Zoe", "a good password"), "unauthorized");
        await ann.Client.Auth.GuestAsync();
        await ann.Client.Auth.DeleteAsync();
        Check.Equal(null, ann.Client.Session);
    }

    public static async Task TestAnAccountWithoutAPasswordIsRenamedAndDeletedByItsDevice()
    {
        using var server = await GodraServer.StartAsync();
        await using var ann = new GodotClient(server.Url);
        await using var ben = new GodotClient(server.Url);
        var (phone, another) = (Device.Random(), Device.Random());
        var user = (await ann.Auth.LoginWithDeviceAsync(phone)).UserId;
        await ben.Auth.LoginWithDeviceAsync(another);
        await Check.FailsAsync(ann.Auth.RenameAsync("Phoebe", Credential.OfDevice(another)), "forbidden");
        Check.Equal("Phoebe", (await ann.Auth.RenameAsync("Phoebe", Credential.OfDevice(phone))).Username);
        Check.Equal("Phoebe", ann.Session!.Username);
        await Check.FailsAsync(ann.Auth.DeleteAsync(Credential.OfDevice(another)), "forbidden");
        Check.Equal("Phoebe", (await ann.Auth.AccountAsync()).Username);
        await ann.Auth.DeleteAsync(Credential.OfDevice(phone));
        Check.Equal(null, ann.Session);
        Check.That((await ann.Auth.LoginWithDeviceAsync(phone)).UserId != user, "the device is nobody's before that");
    }

    public static async Task TestRefusalsOfTheRealServer()
    {
        using var server = await GodraServer.StartAsync();
        await using var ann = await Player.EnterAsync(server.Url);
        var gone = await Check.FailsAsync(ann.Client.JoinAsync("no-such-lobby"), "not_found");
        Check.Equal((403, "Lobby does not exist"), (gone.Status, gone.Message));
        var small = await ann.Client.CreateRoomAsync(new RoomSettings { Capacity = 1 });
        var full = await Check.FailsAsync(Player.EnterAsync(server.Url, small.Id), "conflict");
        Check.Equal("Lobby is full", full.Message);
    }

    public static async Task TestTheSamePlayerTwiceEndsTheFirst()
    {
        using var server = await GodraServer.StartAsync();
        await using var ann = await Player.EnterAsync(server.Url);
        var store = new MemorySessionStore();
        await store.SaveAsync(ann.Client.Session!);
        await using var twin = new GodotClient(server.Url, new GodotClientOptions { SessionStore = store });
        await twin.Auth.EnsureAsync();
        await twin.JoinAsync(ann.Room.Id);
        await Check.SoonAsync(() => ann.Losses.Count == 1, "the end");
        Check.Equal((4502, false), (ann.Losses.Single().Code, ann.Losses.Single().WillReconnect));
    }

    public static async Task TestTwentyPlayersThroughARestart()
    {
        using var server = await GodraServer.StartAsync();
        await using var host = new GodotClient(server.Url);
        await host.Auth.EnsureAsync();
        var room = await host.CreateRoomAsync(new RoomSettings { Capacity = 100 });
        var players = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => Player.EnterAsync(server.Url, room.Id)));
        var requests = players.Select((player, i) => SayAsync(player, i)).ToList();
        await server.TerminateAsync();
        requests.AddRange(players.Select((player, i) => SayAsync(player, 100 + i)));
        await server.RestartAsync();
        var upAt = SystemClock.Instance.NowMs;
        await Task.WhenAll(requests).WaitAsync(TimeSpan.FromSeconds(20));
        foreach (var player in players)
        {
            Check.Between(-500, 1_500, player.BackAt.Last() - upAt, "back after");
            await Check.SoonAsync(() => player.Of("chat").Select(e => (string?)e.Payload["message"]).Distinct().Count() == 40, "heard all");
            Check.Equal(40, player.Of("chat").Count(), "each once:");
        }
        foreach (var player in players) await player.DisposeAsync();
    }
}
