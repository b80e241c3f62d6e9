using System;
using System.Linq;

namespace GodotSDK.Tests;

public static class BackoffTests
{
    private static double Delay(int attempt, double goneMs = 0, int answers = 0, bool isGentle = false, double? retryAfterS = null, double chance = 1)
    {
        var retryAfter = retryAfterS == null ? (TimeSpan?)null : TimeSpan.FromSeconds(retryAfterS.Value);
        var about = new BackoffInput { Attempt = attempt, GoneMs = goneMs, Answers = answers, IsGentle = isGentle, RetryAfter = retryAfter };
        return Backoff.DelayMs(about, 200, 20_000, () => chance);
    }

    public static void TestItDoublesUpToTheCapOfTheFirstMinute() =>
        Check.List(Enumerable.Range(1, 6).Select(attempt => Delay(attempt)), 200, 400, 800, 800, 800, 800);

    public static void TestHalfOfItIsRandom() =>
        Check.List(new[] { 0, 0.5, 1 }.Select(chance => Delay(3, chance: chance)), 400, 600, 800);

    public static void TestTheCapGrowsWithTheOutage() =>
        Check.List(new[] { 59_999, 60_000, 299_999, 300_000 }.Select(gone => Delay(30, gone)), 800, 5_000, 5_000, 20_000);

    public static void TestAfterAGentleCloseTheFirstWaitIsHalfASecondToASecond() =>
        Check.List(new[] { 0.0, 1 }.Select(chance => Delay(1, isGentle: true, chance: chance)), 500, 1_000);

    public static void TestAServerThatAnswersIsAskedLessAndLessOften() =>
        Check.List(Enumerable.Range(1, 9).Select(answers => Delay(answers + 1, answers: answers)), 400, 800, 1_600, 3_200, 6_400, 12_800, 20_000, 20_000, 20_000);

    public static void TestRetryAfterIsALowerBoundWithAnEnd()
    {
        Check.Equal(7_100, Delay(1, retryAfterS: 7, chance: 0));
        Check.Equal(300_200, Delay(1, retryAfterS: 1e6));
        Check.Equal(200, Delay(1, retryAfterS: -5));
    }

    public static void TestManyAttemptsDoNotOverflow() => Check.Equal(20_000, Delay(int.MaxValue, 1e12));

    public static void TestTheyBeginAnewAfterAConnectionThatHeld()
    {
        var attempts = new Attempts(new ReconnectOptions(), () => 1);
        attempts.Opened(0);
        attempts.Lost(1_000);
        Check.Equal(200, attempts.Next(1_000, 1006, null).Delay.TotalMilliseconds);
        attempts.Opened(2_000);
        attempts.Lost(6_900);
        Check.Equal(2, attempts.Next(6_900, 1006, null).Attempt, "it held for less than five seconds:");
        attempts.Opened(7_000);
        attempts.Lost(12_100);
        Check.Equal(1, attempts.Next(12_100, 1006, null).Attempt);
    }
}
