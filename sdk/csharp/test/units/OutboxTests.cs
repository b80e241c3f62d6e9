using System;
using GodotSDK.Testing;
using System.Collections.Generic;
using System.Linq;
using Newtonsoft.Json.Linq;

namespace GodotSDK.Tests;

public static class OutboxTests
{
    private sealed class Bench
    {
        public readonly VirtualClock Clock = new();
        public readonly List<JObject> Sent = [];
        public readonly Dictionary<long, string> Answers = [];
        public readonly Outbox Outbox;
        public bool IsFull;
        private long nextId = 1;

        public Bench()
        {
            Outbox = new Outbox(Send, Clock, () => 1, new object());
        }

        public string Wire => string.Join(" ", Sent.Select(input => $"{input["action"]}#{input["n"]}"));

        public long Add(string action, TimeSpan? timeout = null)
        {
            var id = nextId++;
            Outbox.Add(id, action, default, timeout, (result, error) =>
                Answers.Add(id, error == null ? $"{result?.ToString(Newtonsoft.Json.Formatting.None)}" : $"{error.Code} {error.Outcome}"));
            return id;
        }

        public void Welcome(long? n = 0, string epoch = "e1", string user = "u")
        {
            Sent.Clear();
            var number = n == null ? "null" : n.ToString();
            var payload = JObject.Parse($$"""{"user_id":"{{user}}","epoch":"{{epoch}}","seq":0,"n":{{number}}}""");
            Outbox.Welcome(GodotSDK.Welcome.Read(payload, out _)!);
        }

        public bool Reply(long id, string result) => Outbox.Settle(id, null, JToken.Parse(result), null);

        public bool Refuse(long n, string code)
        {
            var error = Errors.OfPayload(JObject.Parse($$"""{"code":"{{code}}","message":"m"}"""));
            return Outbox.Settle(null, n, null, error);
        }

        private bool Send(string text)
        {
            if (IsFull) return false;
            Sent.Add(JObject.Parse(text));
            return true;
        }
    }

    public static void TestTheyWaitForAConnectionAndGoOutInOrder()
    {
        var bench = new Bench();
        bench.Add("a");
        bench.Add("b");
        Check.Equal("", bench.Wire);
        bench.Welcome(n: 41);
        Check.Equal("a#42 b#43", bench.Wire);
        Check.That(bench.Reply(2, "\"two\""), "an answer to one of them");
        Check.Equal("\"two\"", bench.Answers[2]);
        bench.Add("c");
        Check.Equal("a#42 b#43 c#44", bench.Wire);
    }

    public static void TestAfterALostConnectionTheOldestGoesFirstWithItsNumber()
    {
        var bench = new Bench();
        bench.Welcome();
        bench.Add("a");
        bench.Add("b");
        bench.Outbox.Lost();
        bench.Add("c");
        bench.Welcome(n: 1);
        Check.Equal("a#1 b#2 c#3", bench.Wire);
        bench.Reply(1, """{"duplicate":true}""");
        Check.Equal("""{"duplicate":true}""", bench.Answers[1]);
    }

    public static void TestSixteenAreUnderWayAndSixtyFourWait()
    {
        var bench = new Bench();
        bench.Welcome();
        for (var i = 0; i < 65; i++) bench.Add("a");
        Check.Equal(16, bench.Sent.Count);
        Check.Equal("queue_full None", bench.Answers[65]);
        bench.Reply(5, "1");
        Check.Equal(17, bench.Sent.Count);
        bench.Outbox.Lost();
        bench.Welcome();
        Check.Equal(16, bench.Sent.Count, "again:");
    }

    public static void TestWhatIsPutOffGoesAgainWithAllBehindIt()
    {
        foreach (var code in new[] { "busy", "unavailable", "rate_limited", "out_of_order" })
        {
            var bench = new Bench();
            bench.Welcome();
            foreach (var action in new[] { "a", "b", "c" }) bench.Add(action);
            bench.Reply(1, "1");
            Check.That(bench.Refuse(2, code), code);
            Check.That(bench.Refuse(3, "out_of_order"), code);
            Check.Equal("a#1 b#2 c#3", bench.Wire, "not at once:");
            bench.Clock.Advance(200);
            Check.Equal("a#1 b#2 c#3 b#2 c#3", bench.Wire, code);
            Check.Equal(1, bench.Answers.Count, "still waiting:");
        }
    }

    public static void TestRefusalsMakeItSlower()
    {
        var bench = new Bench();
        bench.Welcome();
        bench.Add("a");
        var waits = new List<double?>();
        for (var i = 0; i < 7; i++)
        {
            bench.Refuse(1, "busy");
            waits.Add(bench.Clock.NextMs);
            bench.Clock.Advance(5_000);
        }
        Check.List(waits, 200, 400, 800, 1_600, 3_200, 5_000, 5_000);
    }

    public static void TestErrorsOfAScriptAreAnswers()
    {
        var bench = new Bench();
        bench.Welcome();
        foreach (var code in new[] { "no_gold", "script_error", "forbidden" }) bench.Add(code);
        bench.Refuse(1, "no_gold");
        bench.Refuse(2, "script_error");
        bench.Refuse(3, "forbidden");
        Check.List(bench.Answers.Values, "no_gold Ran", "script_error Ran", "forbidden None");
    }

    public static void TestAnotherEpochFailsWhatWasSent()
    {
        var bench = new Bench();
        bench.Welcome();
        bench.Add("a");
        bench.Outbox.Lost();
        bench.Add("b");
        bench.Welcome(n: 0, epoch: "e2");
        Check.Equal("disconnected Unknown", bench.Answers[1]);
        Check.Equal("b#1", bench.Wire, "what was not sent is:");
    }

    public static void TestAnotherPlayerFailsAll()
    {
        var bench = new Bench();
        bench.Welcome(n: 7);
        bench.Add("a");
        bench.Outbox.Lost();
        bench.Add("b");
        bench.Welcome(n: 0, user: "v");
        Check.List(bench.Answers.Values, "disconnected Unknown", "disconnected None");
        bench.Add("c");
        Check.Equal("c#1", bench.Wire);
    }

    public static void TestNumbersDoNotGoBackInOneEpoch()
    {
        var bench = new Bench();
        bench.Welcome(n: 5);
        bench.Add("a");
        bench.Reply(1, "1");
        bench.Outbox.Lost();
        bench.Welcome(n: 5);
        bench.Add("b");
        Check.Equal("b#7", bench.Wire);
        bench.Reply(2, "1");
        bench.Outbox.Lost();
        bench.Welcome(n: 2, epoch: "e2");
        bench.Add("c");
        Check.Equal("c#3", bench.Wire);
    }

    public static void TestAServerWithoutNumbersIsNamed()
    {
        var bench = new Bench();
        bench.Add("a");
        bench.Welcome(n: null);
        bench.Add("b");
        Check.List(bench.Answers.Values, "unsupported None", "unsupported None");
    }

    public static void TestTimeouts()
    {
        var bench = new Bench();
        bench.Add("a", TimeSpan.FromMilliseconds(100));
        bench.Clock.Advance(100);
        bench.Welcome();
        Check.Equal("timeout None", bench.Answers[1]);
        Check.Equal("", bench.Wire, "one that was not sent never is:");
        bench.Add("b", TimeSpan.FromMilliseconds(100));
        bench.Clock.Advance(100);
        Check.Equal("timeout Unknown", bench.Answers[2]);
        bench.Outbox.Lost();
        bench.Welcome();
        Check.Equal("b#1", bench.Wire, "one that was sent may hold back others until it comes again:");
        Check.That(bench.Reply(2, "1"), "its late answer is nobody's");
        Check.Equal(2, bench.Answers.Count);
    }

    public static void TestAConnectionThatIsFarBehindGetsThemLater()
    {
        var bench = new Bench();
        bench.Welcome();
        bench.IsFull = true;
        bench.Add("a");
        bench.IsFull = false;
        bench.Clock.Advance(200);
        Check.Equal("a#1", bench.Wire);
    }

    public static void TestAnswersToNobodyWithANumberAreTaken()
    {
        var bench = new Bench();
        bench.Welcome();
        Check.That(bench.Refuse(9, "busy"), "numbered, so it was one of these");
        Check.That(!bench.Reply(9, "1"), "not numbered, so it is for others");
    }

    public static void TestTheEndFailsAll()
    {
        var bench = new Bench();
        bench.Welcome();
        bench.Add("a");
        bench.Outbox.Lost();
        bench.Add("b");
        bench.Outbox.Fail("The end");
        Check.List(bench.Answers.Values, "disconnected Unknown", "disconnected None");
        Check.Equal(null, bench.Clock.NextMs, "no timer is left:");
    }
}
