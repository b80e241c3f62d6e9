using System;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Linq;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace GodotSDK.Tests;

/// <summary>Rooms on real sockets, with a server that the test plays.</summary>
public static class LinkTests
{
    private sealed class Scene : IDisposable
    {
        public readonly FakeServer Server = new();
        public readonly ConcurrentQueue<string> Seen = new();
        public readonly GodotClient Client;
        public Room Room = null!;
        public Peer Peer = null!;

        public Scene(Action<GodotClientOptions>? change = null)
        {
            Server.Route("GET /ready", new Response(200));
            var options = new GodotClientOptions
            {
                TokenProvider = _ => Task.FromResult<string?>("the-token"),
                Reconnect = new ReconnectOptions { FirstDelay = TimeSpan.FromMilliseconds(40) },
                Log = (_, _) => { },
            };
            change?.Invoke(options);
            Client = new GodotClient(Server.Url, options);
        }

        public static async Task<Scene> JoinedAsync(Action<GodotClientOptions>? change = null)
        {
            var scene = new Scene(change);
            var joining = scene.Client.JoinAsync("a", scene.Watch);
            scene.Peer = await scene.Server.NextPeerAsync();
            await scene.Peer.WelcomeAsync("\"seq\":41");
            await joining;
            await scene.SeesAsync("connected");
            return scene;
        }

        public void Watch(Room room)
        {
            Room = room;
            room.Connected += welcome => Seen.Enqueue(welcome.Recovered ? "recovered" : "connected");
            room.Disconnected += args => Seen.Enqueue($"disconnected {args.Code} {args.Reason} {args.WillReconnect}");
            room.Event += e => Seen.Enqueue($"{e.Type} {(e.Payload.ToString() is var text && text.Length > 100 ? text.Length : text)}");
            room.Error += error => Seen.Enqueue($"error {error.Code}");
        }

        /// <summary>The next thing that the game sees.</summary>
        public async Task SeesAsync(string what)
        {
            await Check.SoonAsync(() => !Seen.IsEmpty, what);
            Seen.TryDequeue(out var seen);
            Check.Equal(what, seen!);
        }

        public async Task SeesNothingAsync(int ms = 200)
        {
            await Task.Delay(ms);
            Check.List(Seen);
        }

        public void Dispose()
        {
            Client.Dispose();
            Server.Dispose();
        }
    }

    public static async Task TestTheTokenGoesAsASubprotocol()
    {
        using var scene = await Scene.JoinedAsync();
        Check.Equal("godra, bearer.the-token", scene.Peer.Request.Headers["sec-websocket-protocol"]);
        Check.Equal("/ws?game_id=a&refuse=close", $"{scene.Peer.Request.Path}?{scene.Peer.Request.Query}");
    }

    public static async Task TestResume()
    {
        using var scene = await Scene.JoinedAsync();
        await scene.Peer.SendAsync("""{"type":"a","seq":42}""");
        await scene.SeesAsync("a ");
        scene.Peer.Cut();
        var second = await scene.Server.NextPeerAsync();
        Check.Equal("game_id=a&epoch=e1&since=42&refuse=close", second.Request.Query);
        await second.WelcomeAsync("\"seq\":42,\"recovered\":true");
        await second.SendAsync("""{"type":"batch","events":[{"type":"b","seq":42},{"type":"c","seq":44}]}""");
        Check.That((await NextAsync(scene)).StartsWith("disconnected 1006"), "lost");
        await scene.SeesAsync("recovered");
        await scene.SeesAsync("c ");
        await scene.SeesNothingAsync();
    }

    public static async Task TestMessagesInEveryShape()
    {
        using var scene = await Scene.JoinedAsync();
        var bytes = Encoding.UTF8.GetBytes("""{"type":"ä😀","payload":"ü\u0000"}""");
        await scene.Peer.SendFrameAsync(Peer.Binary, bytes);
        await scene.SeesAsync("ä😀 ü\0");
        await scene.Peer.SendFrameAsync(Peer.Text, bytes[..11], isLast: false);
        await scene.Peer.SendFrameAsync(0, bytes[11..12], isLast: false);
        await scene.Peer.SendFrameAsync(0, bytes[12..]);
        await scene.SeesAsync("ä😀 ü\0");
    }

    public static async Task TestLongMessages()
    {
        using var scene = await Scene.JoinedAsync();
        await scene.Peer.SendAsync($$"""{"type":"long","payload":"{{new string('x', 3 << 20)}}"}""");
        await scene.SeesAsync($"long {3 << 20}");
        await scene.Peer.SendAsync($$"""{"type":"long","payload":"{{new string('x', 16 << 20)}}"}""");
        await scene.SeesAsync("error bad_message");
        await scene.Peer.SendAsync("""{"type":"after"}""");
        await scene.SeesAsync("after ");
    }

    public static async Task TestAMessageOfJustTheLimitIsTaken()
    {
        using var scene = await Scene.JoinedAsync(o => o.MaxMessageBytes = 40_000);
        const string head = """{"type":"m","payload":"0""", tail = "\"}";
        foreach (var (more, sees) in new[] { (0, $"m {40_000 - head.Length - tail.Length + 1}"), (1, "error bad_message") })
        {
            await scene.Peer.SendAsync(head + new string('0', 40_000 - head.Length - tail.Length + more) + tail);
            await scene.SeesAsync(sees);
        }
    }

    public static async Task TestAMessageWithoutAnEndIsGivenUp()
    {
        using var scene = await Scene.JoinedAsync(o => o.MaxMessageBytes = 100_000);
        var part = new byte[50_000];
        Array.Fill(part, (byte)'x');
        try
        {
            for (var i = 0; i < 100; i++) await scene.Peer.SendFrameAsync(i == 0 ? Peer.Text : (byte)0, part, isLast: false);
        }
        catch (Exception cut) when (cut is System.IO.IOException or ObjectDisposedException)
        {
            // Cut meanwhile.
        }
        Check.That((await NextAsync(scene)).StartsWith("disconnected 1006"), "lost");
    }

    public static async Task TestBadBytes()
    {
        using var scene = await Scene.JoinedAsync();
        await scene.Peer.SendFrameAsync(Peer.Binary, [0x22, 0xED, 0xA0, 0x80, 0x22]);
        await scene.SeesAsync("error bad_message");
        await scene.Peer.SendAsync(new string('[', 10_000));
        await scene.SeesAsync("error bad_message");
        // In a text frame the platform itself ends the connection; it comes back.
        await scene.Peer.SendFrameAsync(Peer.Text, [0x22, 0xFF, 0x22]);
        await scene.SeesAsync("error bad_message");
        Check.That((await NextAsync(scene)).StartsWith("disconnected 1006"), "lost");
        var second = await scene.Server.NextPeerAsync();
        Check.Equal("game_id=a&refuse=close", second.Request.Query, "the state is asked for anew:");
        await second.WelcomeAsync();
        await scene.SeesAsync("connected");
    }

    public static async Task TestManyEventsInOrder()
    {
        using var scene = await Scene.JoinedAsync();
        var (count, last) = (0, 41L);
        var isInOrder = true;
        scene.Room.On("n", e =>
        {
            isInOrder &= e.Seq == last + 1;
            last = e.Seq!.Value;
            count += 1;
        });
        for (var seq = 42; seq < 5_042; seq++) await scene.Peer.SendAsync($$"""{"type":"n","seq":{{seq}}}""");
        await Check.SoonAsync(() => count == 5_000, "all of them");
        Check.That(isInOrder, "in order");
    }

    public static async Task TestCloseCodesArriveWithTheirReason()
    {
        using var scene = await Scene.JoinedAsync();
        await scene.Peer.CloseAsync(4500, "be nice");
        await scene.SeesAsync("disconnected 4500 be nice False");
        Check.Equal(4500, await scene.Peer.Closed, "answered:");
        await scene.SeesNothingAsync();
        Check.Equal(1, scene.Server.Requests.Count(request => request.Path == "/ws"));
    }

    public static async Task TestTheGamesCloseSaysGoodbyeBehindWhatWasSent()
    {
        using var scene = await Scene.JoinedAsync();
        for (var i = 0; i < 100; i++) scene.Room.Send("last", i);
        await scene.Client.DisposeAsync();
        for (var i = 0; i < 100; i++) Check.Equal(i, (int)(await scene.Peer.ReceiveAsync())["payload"]!);
        Check.Equal(1000, await scene.Peer.Closed);
    }

    public static async Task TestRefusalsWithTheirReason()
    {
        using var scene = new Scene();
        scene.Server.OnUpgrade = _ => new Response(403, """{"error":{"code":"conflict","message":"Lobby is full","details":{"max":4}}}""");
        // .NET Standard does not tell what a refusal by HTTP says.
        var error = await Check.FailsAsync(scene.Client.JoinAsync("a"), Build.IsStandard ? "refused" : "conflict");
        Check.Equal(1, scene.Server.Calls("GET /ws"));
        if (Build.IsStandard) return;
        Check.Equal("Lobby is full", error.Message);
        Check.Equal(403, error.Status);
        Check.JsonEqual("""{"max":4}""", error.Details);
    }

    public static async Task TestAnEmptyCloseFrameComesBack()
    {
        if (Build.IsStandard) return;
        using var scene = await Scene.JoinedAsync();
        // Frames of all sizes pass before it.
        foreach (var length in new[] { 1, 200, 70_000, 3 }) await scene.Peer.SendAsync($$"""{"type":"m","payload":"{{new string('0', length)}}"}""");
        for (var i = 0; i < 4; i++) Check.That((await NextAsync(scene)).StartsWith("m "), "a message");
        await scene.Peer.SendFrameAsync(8, []);
        await scene.SeesAsync("disconnected 1005  True");
        await (await scene.Server.NextPeerAsync()).WelcomeAsync();
        await scene.SeesAsync("connected");
    }

    public static async Task TestAServerThatHangsUpIsAskedOnceForEachAttempt()
    {
        using var scene = new Scene();
        scene.Server.OnUpgrade = _ => throw new System.IO.IOException("hangs up");
        await Check.FailsAsync(scene.Client.JoinAsync("a"), Build.IsStandard ? "refused" : "unavailable");
        Check.Between(1, Build.IsStandard ? 4 : 1, scene.Server.Calls("GET /ws"), "attempts");
    }

    public static async Task TestAServerOfAnotherProtocol()
    {
        using var scene = new Scene();
        scene.Server.Protocol = null;
        var error = await Check.FailsAsync(scene.Client.JoinAsync("a"), "bad_response");
        Check.Equal(GodraErrorKind.Protocol, error.Kind);
        Check.Equal(1002, await (await scene.Server.NextPeerAsync()).Closed.WaitAsync(TimeSpan.FromSeconds(5)));
    }

    public static async Task TestABusyServerSaysWhen()
    {
        using var scene = new Scene();
        scene.Server.OnUpgrade = _ => new Response(503, """{"error":{"code":"busy","message":"full"}}""", "Retry-After: 7\r\n");
        scene.Server.Route("GET /ready", new Response(503, "{}", "Retry-After: 7\r\n"));
        var error = await Check.FailsAsync(scene.Client.JoinAsync("a"), Build.IsStandard ? "unavailable" : "busy");
        if (!Build.IsStandard) Check.Equal(503, error.Status);
        Check.Equal(7, error.RetryAfter!.Value.TotalSeconds);
    }

    public static async Task TestRetryAfterIsWaitedForOnTheWayBack()
    {
        using var scene = await Scene.JoinedAsync();
        var watch = new Stopwatch();
        scene.Server.OnUpgrade = _ =>
        {
            watch.Start();
            return watch.ElapsedMilliseconds > 900 ? null : new Response(503, "{}", "Retry-After: 1\r\n");
        };
        scene.Server.Route("GET /ready", new Response(503, "{}", "Retry-After: 1\r\n"));
        scene.Peer.Cut();
        await (await scene.Server.NextPeerAsync()).WelcomeAsync();
        Check.Between(990, 3_000, watch.ElapsedMilliseconds);
    }

    public static async Task TestNobodyThere()
    {
        var scene = new Scene();
        scene.Server.Dispose();
        await Check.FailsAsync(scene.Client.JoinAsync("a"), "unavailable");
        await Check.FailsAsync(scene.Client.RpcAsync("a"), "unavailable");
    }

    public static async Task TestNoWelcome()
    {
        using var scene = new Scene(o => o.ConnectTimeout = TimeSpan.FromMilliseconds(100));
        await Check.FailsAsync(scene.Client.JoinAsync("a"), "timeout");
        Check.Equal(1000, await (await scene.Server.NextPeerAsync()).Closed);
    }

    public static async Task TestADeadConnectionIsMadeAgain()
    {
        using var scene = await Scene.JoinedAsync(o =>
        {
            o.Heartbeat = TimeSpan.FromMilliseconds(60);
            o.RequestTimeout = TimeSpan.FromMilliseconds(80);
        });
        Check.Equal("heartbeat", (string?)(await scene.Peer.ReceiveAsync())["action"]);
        await scene.SeesAsync("disconnected 1006 no answer to a heartbeat True");
        await (await scene.Server.NextPeerAsync()).WelcomeAsync();
        await scene.SeesAsync("connected");
    }

    public static async Task TestATokenThatNoSocketCanCarry()
    {
        using var scene = new Scene(o => o.TokenProvider = _ => Task.FromResult<string?>("a b\r\nc"));
        await Check.FailsAsync(scene.Client.JoinAsync("a"), "unauthorized");
    }

    public static async Task TestCancellingAJoin()
    {
        using var scene = new Scene();
        using var cancel = new CancellationTokenSource(100);
        await Check.ThrowsAsync<OperationCanceledException>(() => scene.Client.JoinAsync("a", null, cancel.Token));
        await (await scene.Server.NextPeerAsync()).Closed.WaitAsync(TimeSpan.FromSeconds(5));
    }

    public static async Task TestAPathPrefixIsKept()
    {
        using var server = new FakeServer();
        using var client = new GodotClient($"ws://127.0.0.1:{server.Port}/games/one?x=1", new GodotClientOptions { TokenProvider = _ => Task.FromResult<string?>("t") });
        var joining = client.JoinAsync("game:a-1");
        var peer = await server.NextPeerAsync();
        Check.Equal("/games/one/ws?game_id=a-1&refuse=close", $"{peer.Request.Path}?{peer.Request.Query}");
        await peer.WelcomeAsync();
        await joining;
        await Check.FailsAsync(client.RpcAsync("x"), "not_found");
        Check.Equal(1, server.Calls("POST /games/one/api/rpc"));
    }

    public static async Task TestAStormOfReconnectsLeavesNothingBehind()
    {
        using var scene = await Scene.JoinedAsync(o => o.Reconnect = new ReconnectOptions { FirstDelay = TimeSpan.FromMilliseconds(1), MaxDelay = TimeSpan.FromMilliseconds(1) });
        var peer = scene.Peer;
        for (var i = 0; i < 50; i++)
        {
            if (i % 2 == 0) peer.Cut();
            else await peer.CloseAsync(1001);
            peer = await scene.Server.NextPeerAsync();
            await peer.WelcomeAsync();
        }
        await Check.SoonAsync(() => scene.Seen.Count(seen => seen == "connected") == 50, "back each time");
        Check.Equal(50, scene.Seen.Count(seen => seen.StartsWith("disconnected")));
    }

    public static async Task TestAGameThatNeverPollsCanCloseAllTheSame()
    {
        using var scene = new Scene(o =>
        {
            o.Dispatch = Dispatch.Manual;
            o.MaxWaitingMessages = 2;
        });
        var joining = scene.Client.JoinAsync("a");
        var peer = await scene.Server.NextPeerAsync();
        await peer.WelcomeAsync();
        await joining;
        for (var i = 0; i < 10; i++) await peer.SendAsync("""{"type":"a"}""");
        await Task.Delay(50);
        var watch = Stopwatch.StartNew();
        await scene.Client.DisposeAsync();
        Check.Between(0, 1_800, watch.ElapsedMilliseconds, "closed after");
        Check.Equal(1000, await peer.Closed.WaitAsync(TimeSpan.FromSeconds(5)));
    }

    public static async Task TestATokenProviderMayUseTheRoom()
    {
        Room? room = null;
        using var scene = await Scene.JoinedAsync(o => o.TokenProvider = async _ =>
        {
            // On another thread, which must not wait for a lock that this call holds.
            await Task.Run(() => room?.Send("x"));
            return "t";
        });
        room = scene.Room;
        scene.Peer.Cut();
        await (await scene.Server.NextPeerAsync()).WelcomeAsync();
        await Check.SoonAsync(() => room.Connection == RoomConnection.Joined, "back");
    }

    private static async Task<string> NextAsync(Scene scene)
    {
        await Check.SoonAsync(() => !scene.Seen.IsEmpty, "something");
        scene.Seen.TryDequeue(out var seen);
        return seen!;
    }
}
