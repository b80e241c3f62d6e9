#nullable enable
using System;

namespace GodotSDK
{
    /// <summary>What the next delay depends on.</summary>
    internal struct BackoffInput
    {
        /// <summary>Of those since the last good connection, from 1.</summary>
        public int Attempt;

        /// <summary>Since the connection was lost.</summary>
        public double GoneMs;

        /// <summary>
        /// So many attempts in a row were answered with a no. A server that is there, and has too much to do or does not want this
        /// player, is asked less and less often from the first minute on.
        /// </summary>
        public int Answers;

        /// <summary>The server itself closed many connections at once, or this one for haste.</summary>
        public bool IsGentle;

        /// <summary>What the server asked for.</summary>
        public TimeSpan? RetryAfter;
    }

    /// <summary>How long to wait before the next attempt to come back. No clock and no chance of its own.</summary>
    internal static class Backoff
    {
        /// <summary>Of what the server asks for. <see cref="Room.CheckNow"/> is not kept waiting by it.</summary>
        private const double MaxRetryAfterMs = 5 * 60_000;

        /// <summary>After a close that asks for it, the first delay is at least half of this.</summary>
        private const double GentleMs = 1_000;

        public static double DelayMs(BackoffInput about, double firstDelayMs, double maxDelayMs, Func<double> random)
        {
            var doublings = about.Answers > 0 ? Math.Min(about.Answers, about.Attempt - 1) : about.Attempt - 1;
            // A game that begins with long delays means them.
            var longestMs = about.Answers > 0 ? maxDelayMs : Math.Max(firstDelayMs, LongestMs(about.GoneMs));
            var grownMs = Math.Min(longestMs, firstDelayMs * Math.Pow(2, Math.Min(doublings, 30)));
            var ceilingMs = Math.Min(maxDelayMs, about.IsGentle ? Math.Max(GentleMs, grownMs) : grownMs);
            var askedMs = Math.Min(about.RetryAfter?.TotalMilliseconds ?? 0, MaxRetryAfterMs);
            return Math.Max(askedMs, 0) + ceilingMs * (0.5 + random() / 2);
        }

        /// <summary>
        /// A server that is restarted is away for seconds, and its players shall be back within one second of its return: so for the
        /// first minute nobody waits longer than 0.8 s, which leaves 0.2 s for the connection itself. Who is away for longer than a
        /// minute has lost their network, or the server is in trouble: then haste gains nothing, and costs batteries.
        /// </summary>
        private static double LongestMs(double goneMs)
        {
            if (goneMs < 60_000) return 800;
            return goneMs < 5 * 60_000 ? 5_000 : 20_000;
        }
    }
}
