using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading.Tasks;
using Newtonsoft.Json.Linq;

namespace GodotSDK.Tests;

/// <summary>Rules of the protocol's page that need a word or two more than the life of a room.</summary>
public static class RulesTests
{
    private static string[] Resyncs(Stage stage) => stage.Link.Actions.Where(action => action == "resync").ToArray();

    public static async Task TestAfterWhatCouldNotBeReadTheStateIsAskedFor()
    {
        var stage = await new Stage().JoinedAsync("\"seq\":41");
        stage.Link.Receive("{nonsense");
        Check.List(stage.Link.Actions, "resync");
        Check.That(stage.Link.Sent[0]["id"] != null, "the answer is nobody's error");
        stage.Link.Receive($$"""{"type":"reply","id":{{stage.Link.Sent[0]["id"]}},"result":null}""");
        stage.Link.Receive("""{"type":"snapshot","payload":{"a":1},"epoch":"e1","seq":50}""");
        Check.List(stage.Poll(), "error bad_message", """snapshot {"a":1}""");
        stage.Clock.Advance(60_000);
        Check.Equal(1, Resyncs(stage).Length, "once is enough:");
        stage.Link.End(1006);
        stage.Clock.Advance(200);
        Check.Equal("?game_id=a&epoch=e1&since=50&refuse=close", stage.Link.Request.Address.Query, "nothing is in doubt any more:");
    }

    public static async Task TestTheStateIsAskedForOnceASecondAtMost()
    {
        var stage = await new Stage().JoinedAsync();
        for (var i = 0; i < 100; i++)
        {
            stage.Link.Receive("{nonsense");
            stage.Clock.Advance(50);
        }
        // After 0, 1 and 3 seconds, as no snapshot comes.
        Check.Equal(3, Resyncs(stage).Length);
        Check.Equal((100L, 3L), (stage.Room.Stats.BadMessages, stage.Room.Stats.Resyncs));
        stage.Link.Receive("""{"type":"snapshot","payload":{},"epoch":"e1","seq":1}""");
        stage.Clock.Advance(60_000);
        Check.Equal(3, Resyncs(stage).Length, "the snapshot holds all that was lost:");
    }

    public static async Task TestARefusedResyncIsSentAgain()
    {
        var stage = await new Stage().JoinedAsync();
        stage.Link.Malformed("too long");
        stage.Link.Receive($$"""{"type":"error","id":{{stage.Link.Sent[0]["id"]}},"payload":{"code":"rate_limited","message":"m"} }""");
        Check.List(stage.Poll(), "error bad_message");
        stage.Clock.Advance(1_000);
        Check.List(stage.Link.Actions, "resync", "resync");
    }

    public static async Task TestWhatWasNoEventIsNoLoss()
    {
        var stage = await new Stage().JoinedAsync();
        foreach (var bad in new[] { """{"type":"reply","id":"1"}""", """{"type":"error","n":[]}""", """{"type":"welcome","payload":{}}""" }) stage.Link.Receive(bad);
        Check.List(stage.Poll(), "error bad_message", "error bad_message", "error bad_message");
        Check.List(stage.Link.Actions);
    }

    public static async Task TestErrorsAndEventsOfABatchStayInOrder()
    {
        var stage = await new Stage().JoinedAsync();
        stage.Link.Receive("""{"type":"batch","events":[{"type":"a"},{"type":"batch","events":[]},{"type":"b"},7,{"type":"welcome","payload":{}},{"type":"c"}]}""");
        Check.List(stage.Poll(), "a null", "error bad_message", "b null", "error bad_message", "error bad_message", "c null");
    }

    public static async Task TestTheServersTimeIsThatOfTheShortestRoundTrip()
    {
        var stage = await new Stage().JoinedAsync("\"now\":5000000");
        Check.Equal(5_000_000, stage.Room.ServerTime!.Value.ToUnixTimeMilliseconds(), "by the welcome:");
        foreach (var (roundTripMs, serverMs) in new[] { (40, 6_000_020), (400, 9_000_000), (60, 6_100_000) })
        {
            var before = stage.Clock.NowMs;
            var ping = stage.Room.PingAsync();
            stage.Clock.Advance(roundTripMs);
            stage.Link.Receive($$"""{"type":"reply","id":{{stage.Link.Sent[^1]["id"]}},"result":{"n":0,"seq":0,"now":{{serverMs}} } }""");
            Check.Equal(roundTripMs, (await ping).TotalMilliseconds);
        }
        // 20 ms behind the answer of the first it was 6,000,040; then 460 ms passed.
        Check.Equal(6_000_040 + 460, stage.Room.ServerTime!.Value.ToUnixTimeMilliseconds());
        Check.Equal(60, stage.Room.Latency!.Value.TotalMilliseconds, "the median:");
        stage.Link.End(1006);
        Check.Equal(null, stage.Room.ServerTime, "it is its connection's:");
        await Check.FailsAsync(stage.Room.PingAsync(), "disconnected");
    }

    public static async Task TestHugeTimesAreNoCrash()
    {
        foreach (var now in new[] { "9007199254740992", "1e300", "-1", "\"x\"", "null", "0.5" })
        {
            var stage = await new Stage().JoinedAsync($"\"now\":{now}");
            _ = stage.Room.ServerTime;
        }
    }

    public static async Task TestWhatIsTooLargeIsNotSent()
    {
        var stage = await new Stage().JoinedAsync();
        foreach (var text in new[] { new string('x', 65_600), new string('ü', 32_800), new string('\u0001', 11_000) })
        {
            var errors = new List<GodraException>
            {
                await Check.FailsAsync(stage.Room.RequestAsync("a", text), "too_large"),
                await Check.FailsAsync(stage.Room.RequestAsync("a", text, new RequestOptions { Once = true }), "too_large"),
                await Check.FailsAsync(Task.Run(() => stage.Room.Send("a", text)), "too_large"),
                await Check.FailsAsync(Task.Run(() => stage.Room.SendLatest("a", text)), "too_large"),
            };
            Check.That(errors.All(error => error.Outcome == Outcome.None && error.Kind == GodraErrorKind.Usage), "nothing ran, by the game's mistake");
        }
        Check.That(stage.Room.Send("a", new string('x', 65_000)), "as much as fits");
        Check.Equal(1, stage.Link.Sent.Count);
    }

    public static async Task TestABanSaysUntilWhen()
    {
        foreach (var (reason, details) in new[]
        {
            ("banned until 1795913806123: cheating: twice", """{"until":1795913806123,"reason":"cheating: twice"}"""),
            ("banned", """{"until":null,"reason":""}"""), ("banned: why", """{"until":null,"reason":"why"}"""),
            ("banned until soon", null), ("banned until 99999999999999999999", null), ("", null),
        })
        {
            var stage = await new Stage().JoinedAsync();
            DisconnectedArgs? end = null;
            stage.Room.Disconnected += args => end = args;
            stage.Link.End(4501, reason);
            stage.Poll();
            if (details == null) Check.Equal(null, end!.Cause!.Details);
            else Check.JsonEqual(details, end!.Cause!.Details);
            Check.Equal((4501, reason), (end!.Code, end.Reason));
        }
    }

    public static async Task TestTheEndTellsTheFirstReasonOfTheOutage()
    {
        var stage = await new Stage().JoinedAsync();
        stage.Link.End(4002, "too slow");
        stage.Clock.Advance(200);
        stage.Link.Welcome();
        stage.Clock.Advance(1_000);
        stage.Link.End(1006);
        stage.Clock.Advance(400);
        stage.Link.Receive("""{"type":"error","payload":{"code":"not_found","message":"gone","status":403}}""");
        Check.Equal("disconnected 4002 over not_found", stage.Poll()[^1]);
    }

    public static async Task TestWithoutANetworkThereAreNoAttempts()
    {
        var stage = await new Stage().JoinedAsync();
        stage.Link.End(1006);
        stage.Client.SetOnline(false);
        stage.Clock.Advance(1e6);
        Check.Equal(1, stage.Links.Count);
        stage.Client.SetOnline(true);
        Check.Equal(2, stage.Links.Count, "at once:");
        stage.Client.SetOnline(false);
        stage.Link.End(1006);
        stage.Clock.Advance(1e6);
        Check.Equal(2, stage.Links.Count);
        stage.Client.SetOnline(true);
        stage.Link.Welcome();
        Check.Equal(RoomConnection.Joined, stage.Room.Connection);
    }

    public static async Task TestLeavingGivesUpThePlaceAndThenCloses()
    {
        var stage = await new Stage().JoinedAsync();
        stage.Http.On("POST /api/rpc", ask =>
        {
            Check.That(stage.Link.Closed == null, "not closed before");
            Check.JsonEqual("""{"script":"leave_lobby","args":[],"keys":["game:a"]}""", JToken.Parse(ask.Body!));
            // The server closes the connection of who has left; that is no kick.
            stage.Link.End(4500, "left");
            return Task.FromResult(new HttpAnswer(200, """{"result":"OK"}"""));
        });
        await stage.Room.LeaveAsync();
        Check.List(stage.Poll(), "disconnected 1000 over ");
    }

    public static async Task TestLeavingAServerThatIsAwayClosesAllTheSame()
    {
        var stage = await new Stage().JoinedAsync();
        Check.Equal(Outcome.Unknown, (await Check.FailsAsync(stage.Room.LeaveAsync(), "unavailable")).Outcome);
        Check.List(stage.Poll(), "disconnected 1000 over ");
        Check.Equal(1000, stage.Link.Closed!.Value.Code);
    }

    public static async Task TestStats()
    {
        var stage = await new Stage().JoinedAsync();
        stage.Room.Send("ä");
        stage.Link.Receive("""{"type":"batch","events":[{"type":"a"},{"type":"b"}]}""");
        stage.Link.End(1006);
        stage.Room.Send("lost");
        stage.Clock.Advance(200);
        stage.Link.Welcome();
        var stats = stage.Room.Stats;
        Check.Equal((3L, 1L, 2L, 1L, 1L), (stats.FramesReceived, stats.FramesSent, stats.Events, stats.Reconnects, stats.Dropped));
        Check.Equal("""{"action":"ä","payload":null}""".Length + 1, stats.BytesSent);
        Check.That(stats.BytesReceived > 300, "the welcomes count, too");
    }

    public static async Task TestAnRpcSaysWhetherItRan()
    {
        foreach (var (status, code, hasRun, outcome) in new[]
        {
            (400, "no_gold", true, Outcome.Ran), (403, "forbidden", true, Outcome.Ran), (403, "forbidden", false, Outcome.None),
            (429, "rate_limited", false, Outcome.None), (503, "busy", false, Outcome.None), (503, "unavailable", true, Outcome.Unknown),
            (503, "unavailable", false, Outcome.Unknown), (500, "script_error", true, Outcome.Ran), (413, "too_large", false, Outcome.None),
            (404, null, false, Outcome.None), (502, null, false, Outcome.Unknown),
        })
        {
            var stage = new Stage();
            var body = code == null ? "<html>" : $$$"""{"error":{"code":"{{{code}}}","message":"m"}}""";
            stage.Http.On("POST /api/rpc", _ => Task.FromResult(new HttpAnswer(status, body) { HasRun = hasRun }));
            var error = await Check.ThrowsAsync<GodraException>(() => stage.Client.RpcAsync("x"));
            Check.Equal(outcome, error.Outcome, $"{status} {code} {hasRun}:");
        }
    }
}
