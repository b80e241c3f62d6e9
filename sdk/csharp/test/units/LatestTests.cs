using System;
using GodotSDK.Testing;
using System.Collections.Generic;

namespace GodotSDK.Tests;

public static class LatestTests
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);

    private static (Latest Latest, VirtualClock Clock, List<string> Sent) Open()
    {
        var (clock, sent) = (new VirtualClock(), new List<string>());
        var latest = new Latest(text => Add(sent, text), clock, new object(), () => { });
        latest.Welcome(Interval);
        return (latest, clock, sent);
    }

    private static bool Add(List<string> sent, string text)
    {
        sent.Add(text);
        return true;
    }

    public static void TestTheFirstGoesAtOnceAndThenTheNewestOfEachInterval()
    {
        var (latest, clock, sent) = Open();
        latest.Put("a", "1");
        latest.Put("a", "2");
        latest.Put("a", "3");
        latest.Put("b", "other");
        Check.List(sent, "1", "other");
        clock.Advance(50);
        Check.List(sent, "1", "other", "3");
        clock.Advance(50);
        latest.Put("a", "4");
        Check.List(sent, "1", "other", "3", "4");
    }

    public static void TestItEndsWithoutTimers()
    {
        var (latest, clock, _) = Open();
        latest.Put("a", "1");
        clock.Advance(50);
        Check.Equal(null, clock.NextMs);
    }

    public static void TestTheNewestOutlivesAShortOutage()
    {
        var (latest, clock, sent) = Open();
        latest.Put("a", "1");
        latest.Lost();
        latest.Put("a", "2");
        latest.Put("a", "3");
        clock.Advance(900);
        latest.Welcome(Interval);
        Check.List(sent, "1", "3");
    }

    public static void TestWhatIsOldIsNotSent()
    {
        var (latest, clock, sent) = Open();
        latest.Lost();
        latest.Put("a", "1");
        clock.Advance(1_000);
        latest.Welcome(Interval);
        clock.Advance(1_000);
        Check.List(sent);
    }
}
