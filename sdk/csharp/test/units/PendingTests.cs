using System;
using GodotSDK.Testing;
using System.Collections.Generic;
using Newtonsoft.Json.Linq;

namespace GodotSDK.Tests;

public static class PendingTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    private static (Pending Pending, VirtualClock Clock, List<string> Seen, Answered Answered) Bench()
    {
        var clock = new VirtualClock();
        var seen = new List<string>();
        return (new Pending(clock, new object()), clock, seen, (result, error) => seen.Add(error == null ? $"{result}" : $"{error.Code} {error.Outcome}"));
    }

    public static void TestAnswersReachWhoWaits()
    {
        var (pending, clock, seen, answered) = Bench();
        pending.Add(1, "a", Second, answered);
        pending.Add(2, "b", Second, answered);
        Check.Equal("b", pending.Settle(2, new JValue("two"), null));
        Check.Equal("a", pending.Settle(1, null, Errors.OfPayload(JObject.Parse("""{"code":"no_gold"}"""))));
        Check.Equal(null, pending.Settle(1, new JValue("again"), null), "answered twice:");
        Check.Equal(null, pending.Settle(null, null, null), "without an id:");
        Check.List(seen, "two", "no_gold Ran");
        Check.Equal(null, clock.NextMs, "no timer is left:");
    }

    public static void TestTimeouts()
    {
        var (pending, clock, seen, answered) = Bench();
        pending.Add(1, "a", Second, answered);
        clock.Advance(999);
        Check.List(seen);
        clock.Advance(1);
        Check.List(seen, "timeout Unknown");
    }

    public static void TestALostConnectionFailsAll()
    {
        var (pending, _, seen, answered) = Bench();
        pending.Add(1, "a", Second, answered);
        pending.Add(2, "b", Second, answered);
        pending.Fail(() => Errors.Input("disconnected", "lost", Outcome.Unknown));
        Check.List(seen, "disconnected Unknown", "disconnected Unknown");
    }

    public static void TestItHasABound()
    {
        var (pending, _, _, answered) = Bench();
        for (var id = 0; id < Pending.MaxWaiting; id++) pending.Add(id, "a", Second, answered);
        Check.That(pending.IsFull, "full");
    }
}
