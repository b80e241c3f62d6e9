using System;
using System.Linq;
using System.Threading.Tasks;
using Newtonsoft.Json.Linq;

namespace GodotSDK.Tests;

/// <summary>A room's life on fake links, in time that stands still.</summary>
public static class RoomTests
{
    public static async Task TestConnectedComesBeforeAnyEvent()
    {
        var stage = new Stage();
        var joining = stage.Join();
        stage.Link.Open();
        stage.Link.Welcome();
        stage.Link.Receive("""{"type":"batch","events":[{"type":"a","payload":1,"seq":1},{"type":"b","seq":2},{"type":"c","payload":{},"seq":4}]}""");
        await joining;
        Check.List(stage.Poll(), "connected", "a 1", "b null", "c {}");
    }

    public static async Task TestOnlyAFullConnectionSpeaksOfResuming()
    {
        var stage = await new Stage().JoinedAsync("\"seq\":41");
        Check.Equal("?game_id=a&refuse=close", stage.Link.Request.Address.Query);
        stage.Link.Receive("""{"type":"a","seq":43}""");
        stage.Link.End(1006);
        stage.Clock.Advance(200);
        Check.Equal("?game_id=a&epoch=e1&since=43&refuse=close", stage.Link.Request.Address.Query);
    }

    public static async Task TestOptionsOfAJoinAreInEachAddress()
    {
        var stage = new Stage();
        var joining = stage.Client.JoinAsync("a", null, default, Payload.Of(("team", "röd&1")));
        stage.Link.Open();
        stage.Link.Welcome();
        await joining;
        const string options = "&options=%7B%22team%22%3A%22r%C3%B6d%261%22%7D";
        Check.Equal("?game_id=a&refuse=close" + options, stage.Link.Request.Address.Query);
        stage.Link.Receive("""{"type":"a","seq":43}""");
        stage.Link.End(1006);
        stage.Clock.Advance(200);
        Check.Equal("?game_id=a&epoch=e1&since=43&refuse=close" + options, stage.Link.Request.Address.Query);
        foreach (var wrong in new Payload[] { 1, "x", Payload.Of(("a", new string('x', 1017))) })
        {
            await Check.FailsAsync(stage.Client.JoinAsync("b", null, default, wrong), "bad_request");
        }
    }

    public static async Task TestARecoveredConnectionKeepsStateAndDropsWhatWasSeen()
    {
        var stage = await new Stage(o => o.Reducers = LobbyReducers.All).JoinedAsync("\"seq\":41,\"state\":{\"state\":{\"a\":1}}");
        stage.Link.Receive("""{"type":"state","payload":{"action":"set","payload":{"b":2}},"seq":42}""");
        stage.Link.End(1006);
        stage.Clock.Advance(200);
        stage.Link.Welcome("\"seq\":42,\"recovered\":true,\"state\":null");
        stage.Link.Receive("""{"type":"state","payload":{"action":"set","payload":{"b":9}},"seq":42}""");
        stage.Link.Receive("""{"type":"state","payload":{"action":"set","payload":{"c":3}},"seq":43}""");
        stage.Poll();
        Check.JsonEqual("""{"state":{"a":1,"b":2,"c":3}}""", stage.Room.State);
    }

    public static async Task TestWithoutRecoveryTheStateIsReplaced()
    {
        var stage = await new Stage().JoinedAsync("\"seq\":41,\"state\":{\"a\":1}");
        stage.Link.End(1006);
        stage.Clock.Advance(200);
        stage.Link.Welcome("\"epoch\":\"e2\",\"seq\":3,\"state\":{\"b\":2}");
        stage.Link.Receive("""{"type":"x","seq":4}""");
        Check.List(stage.Poll(), "disconnected 1006 comes back", "reconnecting 1 200", "connected", "x null");
        Check.JsonEqual("""{"b":2}""", stage.Room.State);
    }

    public static async Task TestASnapshotReplacesStateAndSetsThePosition()
    {
        var stage = await new Stage().JoinedAsync("\"seq\":41");
        stage.Link.Receive("""{"type":"snapshot","payload":{"a":1},"epoch":"e1","seq":50}""");
        stage.Link.Receive("""{"type":"old","seq":50}""");
        Check.List(stage.Poll(), """snapshot {"a":1}""");
        stage.Link.End(1006);
        stage.Clock.Advance(200);
        Check.Equal("?game_id=a&epoch=e1&since=50&refuse=close", stage.Link.Request.Address.Query);
    }

    public static async Task TestAHeartbeatTellsThePositionAndTheLatency()
    {
        var stage = await new Stage(o => o.Heartbeat = TimeSpan.FromSeconds(20)).JoinedAsync();
        stage.Clock.Advance(20_000);
        Check.List(stage.Link.Actions, "heartbeat");
        stage.Clock.Advance(30);
        stage.Link.Receive($$"""{"type":"reply","id":{{stage.Link.Sent[0]["id"]}},"result":{"n":0,"seq":77} }""");
        Check.Equal(30, stage.Room.Latency!.Value.TotalMilliseconds);
        stage.Link.End(1006);
        stage.Clock.Advance(200);
        Check.Equal("?game_id=a&epoch=e1&since=77&refuse=close", stage.Link.Request.Address.Query);
    }

    public static async Task TestADeadConnectionIsFound()
    {
        var stage = await new Stage(o => o.Heartbeat = TimeSpan.FromSeconds(20)).JoinedAsync();
        stage.Clock.Advance(29_999);
        Check.List(stage.Poll());
        stage.Clock.Advance(1);
        Check.List(stage.Poll(), "disconnected 1006 comes back", "reconnecting 1 200");
        Check.Equal(4000, stage.Links[0].Closed!.Value.Code);
    }

    public static async Task TestAnythingThatComesIsASignOfLife()
    {
        var stage = await new Stage(o => o.Heartbeat = TimeSpan.FromSeconds(20)).JoinedAsync();
        stage.Clock.Advance(25_000);
        stage.Link.Receive("""{"type":"a"}""");
        stage.Clock.Advance(6_000);
        Check.List(stage.Poll(), "a null");
    }

    public static async Task TestAGameThatDoesNotPollLosesNoConnection()
    {
        var stage = await new Stage(o =>
        {
            o.Heartbeat = TimeSpan.FromSeconds(20);
            o.MaxWaitingMessages = 2;
        }).JoinedAsync();
        stage.Link.Receive("""{"type":"a"}""");
        stage.Link.Receive("""{"type":"b"}""");
        stage.Clock.Advance(120_000);
        Check.Equal(RoomConnection.Joined, stage.Room.Connection);
        Check.List(stage.Poll(), "a null", "b null");
    }

    public static async Task TestClosesThatEndIt()
    {
        foreach (var code in new[] { 1000, 1002, 1007, 1009, 4500, 4501, 4502, 4503, 4504 })
        {
            var stage = await new Stage().JoinedAsync();
            stage.Link.End(code, "why");
            Check.List(stage.Poll(), $"disconnected {code} over disconnected");
            stage.Clock.Advance(1e6);
            Check.Equal(1, stage.Links.Count, $"{code}: no further connection:");
            Check.Equal(RoomConnection.Left, stage.Room.Connection);
        }
    }

    public static async Task TestClosesThatComeBack()
    {
        foreach (var code in new[] { 1001, 1005, 1006, 1011, 1012, 4001, 4002, 4003, 4004, 4321 })
        {
            var stage = await new Stage().JoinedAsync();
            stage.Link.End(code);
            var delay = code is 1001 or 4003 ? 1_000 : 200;
            Check.List(stage.Poll(), $"disconnected {code} comes back", $"reconnecting 1 {delay}");
            stage.Clock.Advance(delay);
            stage.Link.Open();
            stage.Link.Welcome();
            Check.List(stage.Poll(), "connected");
        }
    }

    public static async Task TestAServerThatIsAwayIsAskedAllTheTime()
    {
        var stage = await new Stage().JoinedAsync();
        stage.Link.End(1006);
        var waits = Enumerable.Range(0, 200).Select(_ =>
        {
            var wait = stage.Clock.NextMs!.Value;
            stage.Clock.Advance(wait);
            stage.Link.End(1006);
            return wait;
        }).ToList();
        Check.List(waits.Take(4), 200, 400, 800, 800);
        Check.Equal(800, waits.TakeWhile(wait => wait < 5_000).Max());
        Check.Equal(20_000, waits[^1]);
        Check.Equal(RoomConnection.Rejoining, stage.Room.Connection);
    }

    public static async Task TestDelaysBeginAnewOnlyAfterAConnectionThatHeld()
    {
        var stage = await new Stage().JoinedAsync();
        foreach (var (heldMs, waits) in new[] { (0, "1 200"), (1_000, "2 400"), (4_000, "3 800"), (6_000, "1 200"), (6_000, "1 200") })
        {
            stage.Clock.Advance(heldMs);
            stage.Link.End(1006);
            Check.Equal($"reconnecting {waits}", stage.Poll()[^1]);
            stage.Clock.Advance(800);
            stage.Link.Welcome();
        }
    }

    public static async Task TestAKnownRefusalOnTheWayBackIsTheEndAndItsCause()
    {
        var stage = await new Stage().JoinedAsync();
        DisconnectedArgs? last = null;
        stage.Room.Disconnected += args => last = args;
        stage.Link.End(1006);
        stage.Clock.Advance(200);
        stage.Link.Refuse(403, null, """{"error":{"code":"conflict","message":"Lobby is full","details":{"max":4}}}""");
        Check.List(stage.Poll(), "disconnected 1006 comes back", "reconnecting 1 200", "disconnected 1006 over conflict");
        Check.Equal(403, last!.Cause!.Status);
        Check.JsonEqual("""{"max":4}""", last.Cause.Details);
    }

    public static async Task TestARefusalInPlaceOfTheWelcome()
    {
        var stage = new Stage();
        var joining = stage.Join();
        stage.Link.Open();
        stage.Link.Receive("""{"type":"error","payload":{"code":"conflict","message":"Lobby is full","status":403,"details":{"max":4}}}""");
        stage.Link.End(4505, "conflict");
        var error = await Check.FailsAsync(joining, "conflict");
        Check.Equal((403, "Lobby is full"), (error.Status, error.Message));
        Check.JsonEqual("""{"max":4}""", error.Details);
        Check.List(stage.Poll());
    }

    public static async Task TestARefusalInPlaceOfTheWelcomeOnTheWayBack()
    {
        var stage = await new Stage().JoinedAsync();
        stage.Link.End(1006);
        stage.Clock.Advance(200);
        stage.Link.Receive("""{"type":"error","payload":{"code":"busy","message":"later","status":503,"retry_after":7}}""");
        Check.List(stage.Poll(), "disconnected 1006 comes back", "reconnecting 1 200", "reconnecting 2 7400");
        Check.Equal(4000, stage.Link.Closed!.Value.Code, "the place is to be kept:");
        stage.Clock.Advance(7_400);
        stage.Link.Receive("""{"type":"error","payload":{"code":"not_found","message":"gone","status":403}}""");
        Check.List(stage.Poll(), "disconnected 1006 over not_found");
        Check.Equal(0, stage.Http.Asked.Count, "nothing more is asked:");
    }

    public static async Task TestARefusalOfAnotherStatusIsTriedAgainForEver()
    {
        var stage = await new Stage().JoinedAsync();
        stage.Link.End(1006);
        for (var i = 0; i < 20; i++)
        {
            stage.Clock.Advance(20_000);
            stage.Link.Refuse(i % 2 == 0 ? 418 : 302);
        }
        Check.Equal(RoomConnection.Rejoining, stage.Room.Connection);
        stage.Clock.Advance(20_000);
        stage.Link.Refuse(404);
        Check.Equal("disconnected 1006 over not_found", stage.Poll()[^1]);
    }

    public static async Task TestAPlatformThatTellsNothingOfARefusalAsksWhetherTheServerIsReady()
    {
        var stage = await new Stage().JoinedAsync();
        stage.Link.End(1006);
        stage.Clock.Advance(200);
        stage.Http.On("GET /ready", _ => Task.FromResult(new HttpAnswer(503, "") { RetryAfter = TimeSpan.FromSeconds(5) }));
        stage.Link.RefuseBlindly();
        Check.Equal("reconnecting 2 5400", stage.Poll()[^1]);
        foreach (var status in new[] { 404, 200 })
        {
            stage.Http.On("GET /ready", status, "<html>");
            stage.Clock.Advance(10_000);
            stage.Link.RefuseBlindly();
            Check.Equal(RoomConnection.Rejoining, stage.Room.Connection, "nobody knows, so it goes on:");
        }
        var first = new Stage();
        first.Http.On("GET /ready", 200, "");
        var joining = first.Join();
        first.Link.RefuseBlindly();
        await Check.FailsAsync(joining, "refused");
    }

    public static async Task TestABusyServerIsAskedWhenItSaysSoAndForEver()
    {
        var stage = await new Stage().JoinedAsync();
        stage.Link.End(1006);
        for (var i = 0; i < 50; i++)
        {
            stage.Clock.Advance(stage.Clock.NextMs!.Value);
            stage.Link.Refuse(503, TimeSpan.FromSeconds(30));
            Check.That(stage.Clock.NextMs > 30_000, "not before the time that it names");
        }
        Check.Equal(RoomConnection.Rejoining, stage.Room.Connection);
    }

    public static async Task TestTheFirstJoinFailsAtOnce()
    {
        var stage = new Stage();
        var joining = stage.Join();
        stage.Link.End(1006, "nobody there");
        var error = await Check.FailsAsync(joining, "unavailable");
        Check.That(error.IsRetryable, "may be tried again");
        Check.List(stage.Poll());
        Check.Equal(RoomConnection.Left, stage.Room.Connection);
        Check.Equal(null, stage.Clock.NextMs, "no timer is left:");
    }

    public static async Task TestNoWelcomeInTime()
    {
        var stage = new Stage();
        var joining = stage.Join();
        stage.Link.Open();
        stage.Link.Receive("""{"type":"early","seq":1}""");
        stage.Clock.Advance(10_000);
        await Check.FailsAsync(joining, "timeout");
        Check.That(stage.Link.Closed != null, "the socket is closed");
        Check.List(stage.Poll(), "error bad_message");
    }

    public static async Task TestACloseBeforeTheWelcomeIsTold()
    {
        var stage = new Stage();
        var joining = stage.Join();
        stage.Link.Open();
        stage.Link.End(4501, "banned");
        Check.Equal(4501, (await Check.FailsAsync(joining, "disconnected")).CloseCode);
    }

    public static async Task TestTheGamesOwnCloseIsTheLastEvent()
    {
        var stage = await new Stage().JoinedAsync();
        stage.Link.Receive("""{"type":"a"}""");
        stage.Room.Close();
        stage.Room.Close();
        stage.Link.Receive("""{"type":"b"}""");
        stage.Link.End(1006);
        Check.List(stage.Poll(), "disconnected 1000 over ");
        Check.Equal(1000, stage.Link.Closed!.Value.Code);
        Check.That(!stage.Room.Send("a"), "closed");
        await Check.FailsAsync(stage.Room.RequestAsync("a", default, new RequestOptions { Once = true }), "disconnected");
    }

    public static async Task TestCloseWhileJoining()
    {
        var stage = new Stage();
        var joining = stage.Join();
        stage.Room.Close();
        await Check.FailsAsync(joining, "cancelled");
        Check.List(stage.Poll());
    }

    public static async Task TestCancellingAJoinLeavesNothingOpen()
    {
        var stage = new Stage();
        using var cancel = new System.Threading.CancellationTokenSource();
        var joining = stage.Client.JoinAsync("a", null, cancel.Token);
        cancel.Cancel();
        await Check.ThrowsAsync<OperationCanceledException>(() => joining);
        Check.That(stage.Link.Closed != null, "closed");
        Check.Equal(null, stage.Clock.NextMs, "no timer is left:");
    }

    public static async Task TestOneLobbyIsOneRoom()
    {
        var stage = new Stage();
        var (first, second) = (stage.Join(), stage.Client.JoinAsync("game:a"));
        stage.Link.Welcome();
        Check.Equal(await first, await second);
        Check.Equal(await first, await stage.Client.JoinAsync("a"));
        Check.Equal(1, stage.Links.Count);
        stage.Room.Close();
        var again = stage.Client.JoinAsync("a");
        stage.Link.Welcome();
        Check.That(stage.Room != await again, "a new room after the end");
        Check.Equal("?game_id=a&refuse=close", stage.Link.Request.Address.Query, "which knows nothing of the old one:");
    }

    public static async Task TestTheThreeVerbs()
    {
        var stage = await new Stage().JoinedAsync();
        Check.That(stage.Room.Send("shout", Payload.Of(("x", 1))), "sent");
        stage.Room.SendLatest("move", 1);
        stage.Room.SendLatest("move", 2);
        stage.Room.SendLatest("move", 3);
        var asked = stage.Room.RequestAsync("ask");
        Check.List(stage.Link.Actions, "shout", "move", "ask");
        stage.Clock.Advance(50);
        Check.JsonEqual("""{"action":"move","payload":3}""", stage.Link.Sent[3]);
        stage.Link.Receive("""{"type":"reply","id":1,"result":{"a":1}}""");
        Check.JsonEqual("""{"a":1}""", await asked);
    }

    public static async Task TestRequestsFailWithTheirConnection()
    {
        var stage = await new Stage().JoinedAsync();
        var asked = stage.Room.RequestAsync("ask");
        stage.Link.End(1006);
        Check.Equal(Outcome.Unknown, (await Check.FailsAsync(asked, "disconnected")).Outcome);
        Check.Equal(Outcome.None, (await Check.FailsAsync(stage.Room.RequestAsync("ask"), "disconnected")).Outcome);
        Check.That(!stage.Room.Send("shout"), "not connected");
    }

    public static async Task TestOnceRequestsOutliveIt()
    {
        var stage = await new Stage().JoinedAsync("\"n\":4");
        var once = new RequestOptions { Once = true };
        var (first, second) = (stage.Room.RequestAsync("buy", 1, once), stage.Room.RequestAsync("buy", 2, once));
        stage.Link.End(1006);
        stage.Clock.Advance(200);
        stage.Link.Welcome("\"recovered\":true,\"n\":5");
        Check.List(stage.Link.Sent.Select(input => $"{input["payload"]}#{input["n"]}"), "1#5", "2#6");
        stage.Link.Receive("""{"type":"reply","id":1,"result":{"duplicate":true}}""");
        stage.Link.Receive("""{"type":"error","id":2,"n":6,"payload":{"code":"no_gold","message":"none"}}""");
        Check.JsonEqual("""{"duplicate":true}""", await first);
        Check.Equal(Outcome.Ran, (await Check.FailsAsync(second, "no_gold")).Outcome);
    }

    public static async Task TestACancelledRequestIsNobodys()
    {
        var stage = await new Stage().JoinedAsync();
        using var cancel = new System.Threading.CancellationTokenSource();
        var asked = stage.Room.RequestAsync("ask", default, null, cancel.Token);
        cancel.Cancel();
        await Check.ThrowsAsync<OperationCanceledException>(() => asked);
        stage.Link.Receive("""{"type":"reply","id":1,"result":1}""");
        Check.List(stage.Poll());
    }

    public static async Task TestErrorsThatNobodyAwaitsAreToldOrLogged()
    {
        var stage = await new Stage().JoinedAsync();
        stage.Link.Receive("""{"type":"error","payload":{"code":"too_fast","message":"m"}}""");
        Check.List(stage.Poll(), "error too_fast");
        var quiet = new Stage();
        var joining = quiet.Client.JoinAsync("a");
        quiet.Link.Welcome();
        await joining;
        quiet.Link.Receive("""{"type":"error","payload":{"code":"too_fast","message":"m"}}""");
        quiet.Client.Poll();
        Check.That(quiet.Logged.Any(line => line.Contains("too_fast")), "logged");
    }

    public static async Task TestAHandlerThatThrowsIsReportedAndTheNextRuns()
    {
        var stage = await new Stage().JoinedAsync();
        stage.Room.On("a", _ => throw new InvalidOperationException("planted"));
        var seen = 0;
        using (stage.Room.On("a", payload => (int)payload, number => seen = number))
        {
            stage.Link.Receive("""{"type":"a","payload":7}""");
            Check.List(stage.Poll(), "a 7", "error handler_failed");
            Check.Equal(7, seen);
        }
        stage.Link.Receive("""{"type":"a","payload":8}""");
        stage.Poll();
        Check.Equal(7, seen, "ended:");
    }

    public static async Task TestTheNextEventCanBeAwaited()
    {
        var stage = await new Stage().JoinedAsync();
        var (next, never) = (stage.Room.NextAsync("b"), stage.Room.NextAsync("c"));
        stage.Link.Receive("""{"type":"batch","events":[{"type":"a"},{"type":"b","payload":1},{"type":"b","payload":2}]}""");
        stage.Poll();
        Check.Equal(1, (int)(await next).Payload);
        stage.Link.End(4500);
        stage.Poll();
        await Check.FailsAsync(never, "disconnected");
    }

    public static async Task TestAWakeUpTriesAtOnce()
    {
        var stage = await new Stage(o => o.Heartbeat = TimeSpan.FromSeconds(20)).JoinedAsync();
        stage.Client.CheckNow();
        stage.Clock.Advance(3_000);
        Check.List(stage.Poll(), "disconnected 1006 comes back", "reconnecting 1 200");
        stage.Clock.Advance(200);
        stage.Link.Refuse(503, TimeSpan.FromSeconds(100));
        stage.Client.CheckNow();
        stage.Link.Welcome();
        Check.List(stage.Poll(), "reconnecting 2 100400", "connected");
    }

    public static async Task TestBadMessages()
    {
        foreach (var bad in new[]
        {
            "{", "[]", "7", "null", "\"text\"", "{}", """{"type":7}""", """{"type":"batch"}""", """{"type":"batch","events":{}}""",
            """{"type":"batch","events":[{"type":"batch","events":[{"type":"x"}]}]}""", """{"type":"batch","events":[null]}""",
            """{"type":"x","seq":"5"}""", """{"type":"x","seq":-5}""", """{"type":"x","seq":1.5}""", """{"type":"snapshot","seq":"5"}""",
            """{"type":"reply","id":"1"}""", """{"type":"reply","id":[]}""", """{"type":"x","payload":"\ud800"}""",
            """{"type":"welcome","payload":{}}""", new string('[', 10_000),
        })
        {
            var stage = await new Stage().JoinedAsync();
            stage.Link.Receive(bad);
            Check.List(stage.Poll(), "error bad_message");
            stage.Link.Receive("""{"type":"fine","seq":1}""");
            Check.List(stage.Poll(), "fine null");
        }
    }

    public static async Task TestOddButHarmlessMessages()
    {
        foreach (var odd in new[]
        {
            """{"type":"reply"}""", """{"type":"reply","id":12345,"result":1}""", """{"type":"batch","events":[]}""", """{"type":"reply","id":1e300}""",
        })
        {
            var stage = await new Stage().JoinedAsync();
            stage.Link.Receive(odd);
            Check.That(stage.Poll().All(seen => seen == "error bad_message"), odd);
            Check.Equal(RoomConnection.Joined, stage.Room.Connection);
        }
        foreach (var error in new[] { """{"type":"error"}""", """{"type":"error","payload":7}""", """{"type":"error","id":9,"payload":{"code":7}}""" })
        {
            var stage = await new Stage().JoinedAsync();
            stage.Link.Receive(error);
            Check.List(stage.Poll(), "error bad_message");
            Check.Equal(0, stage.Link.Sent.Count, "it was no event, so nothing is lost:");
        }
    }

    public static async Task TestABadWelcomeIsNone()
    {
        foreach (var payload in new[]
        {
            "null", "7", """{"seq":"41"}""", """{"epoch":7}""", """{"n":"x"}""", """{"n":1e99}""", """{"user_id":7}""", """{"recovered":"yes"}""", """{"role":[]}""",
        })
        {
            var stage = new Stage();
            var joining = stage.Join();
            stage.Link.Receive($$"""{"type":"welcome","payload":{{payload}}}""");
            Check.That(!joining.IsCompleted, "a good one may follow");
            stage.Link.Welcome();
            await joining;
            Check.List(stage.Poll(), "error bad_message", "connected");
        }
    }

    public static async Task TestAnUnreadableMessageMakesTheNextConnectionAskForTheState()
    {
        var stage = await new Stage().JoinedAsync("\"seq\":41");
        stage.Link.Malformed("too long");
        stage.Link.End(1006);
        stage.Clock.Advance(200);
        Check.Equal("?game_id=a&refuse=close", stage.Link.Request.Address.Query);
    }

    public static async Task TestTheTokenIsNeverInTheAddressOrTheLog()
    {
        var stage = await new Stage(o => o.TokenProvider = _ => Task.FromResult<string?>("secret-token")).JoinedAsync();
        stage.Link.End(1006);
        stage.Clock.Advance(200);
        stage.Link.Refuse(403);
        stage.Poll();
        Check.Equal("secret-token", stage.Link.Request.Token);
        Check.That(!stage.Link.Request.Address.ToString().Contains("secret") && !string.Join("\n", stage.Logged).Contains("secret"), "kept");
    }

    public static async Task TestReconnectCanBeSwitchedOff()
    {
        var stage = await new Stage(o => o.Reconnect = null).JoinedAsync();
        stage.Link.End(1006);
        Check.List(stage.Poll(), "disconnected 1006 over disconnected");
    }
}
