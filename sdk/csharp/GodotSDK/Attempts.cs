#nullable enable
using System;

namespace GodotSDK
{
    /// <summary>
    /// The attempts to come back since the last good connection: how many there were, how they went, and when the next one is due.
    /// No clock: `now` is passed in, in milliseconds.
    /// </summary>
    internal sealed class Attempts
    {
        /// <summary>A connection that held this long was a good one: the delays begin from the start again.</summary>
        private const double StableMs = 5_000;

        private readonly ReconnectOptions limits;
        private readonly Func<double> random;
        private int refusals;
        private int answers;
        private double openedAt;
        private double lostAt;

        public Attempts(ReconnectOptions limits, Func<double> random)
        {
            this.limits = limits;
            this.random = random;
        }

        /// <summary>0 while the first connection is made or holds.</summary>
        public int Count { get; private set; }

        /// <summary>Whether the server has refused so often, for no reason that can be known, that it will not change its mind.</summary>
        public bool AreRefused => refusals >= limits.MaxRefusals;

        public void Opened(double now)
        {
            openedAt = now;
            refusals = 0;
            answers = 0;
        }

        public void Lost(double now)
        {
            if (Count == 0 || now - openedAt > StableMs) Restart(now);
        }

        /// <summary>Begins from the start, as if the connection had been lost now.</summary>
        public void Restart(double now)
        {
            Count = 0;
            lostAt = now;
        }

        public void Failed(GodraException error)
        {
            if (Refusal.IsRefusal(error)) refusals += 1;
            answers = Refusal.IsAnswer(error) ? answers + 1 : 0;
        }

        /// <summary>Counts one more, after a connection or an attempt that ended with this close code.</summary>
        public ReconnectingArgs Next(double now, int closeCode, TimeSpan? retryAfter)
        {
            Count += 1;
            var about = new BackoffInput
            {
                Attempt = Count,
                GoneMs = now - lostAt,
                Answers = answers,
                IsGentle = CloseCodes.IsGentle(closeCode),
                RetryAfter = retryAfter,
            };
            var delayMs = Backoff.DelayMs(about, limits.FirstDelay.TotalMilliseconds, limits.MaxDelay.TotalMilliseconds, random);
            return new ReconnectingArgs(Count, TimeSpan.FromMilliseconds(delayMs));
        }
    }
}
