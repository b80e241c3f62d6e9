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
        private readonly ReconnectOptions limits;
        private readonly Func<double> random;
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

        public void Opened(double now)
        {
            openedAt = now;
            answers = 0;
        }

        /// <summary>Whether an outage begins: a connection that held for a while was a good one, and the delays begin from the start again.</summary>
        public bool Lost(double now)
        {
            if (Count > 0 && now - openedAt < limits.StableAfter.TotalMilliseconds) return false;
            Restart(now);
            return true;
        }

        /// <summary>Begins from the start, as if the connection had been lost now.</summary>
        public void Restart(double now)
        {
            Count = 0;
            lostAt = now;
        }

        public void Failed(GodraException error)
        {
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
