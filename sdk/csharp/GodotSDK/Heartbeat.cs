#nullable enable
using System;
using System.Collections.Generic;
using System.Linq;

namespace GodotSDK
{
    /// <summary>
    /// Finds connections that are dead although nobody closed them: a network that vanishes tells nobody. One per connection.
    /// </summary>
    internal sealed class Heartbeat
    {
        private const int Samples = 5;

        private readonly IClock clock;
        private readonly object gate;
        private readonly TimeSpan every;
        private readonly Action<TimeSpan, Answered> ask;
        private readonly Func<double> heardAt;
        private readonly Action died;
        private readonly Queue<double> roundTrips = new Queue<double>();
        private IDisposable? timer;

        /// <summary>The latest check; one that it overtook says nothing any more.</summary>
        private object? latest;

        /// <summary>`ask` sends one and answers; `heardAt` is when anything was received; `died` ends the connection.</summary>
        public Heartbeat(IClock clock, object gate, TimeSpan every, Action<TimeSpan, Answered> ask, Func<double> heardAt, Action died)
        {
            this.clock = clock;
            this.gate = gate;
            this.every = every;
            this.ask = ask;
            this.heardAt = heardAt;
            this.died = died;
        }

        /// <summary>The median of the last round trips.</summary>
        public TimeSpan? Latency { get; private set; }

        public void Start(TimeSpan timeout)
        {
            if (every <= TimeSpan.Zero) return;
            timer = clock.After(every.TotalMilliseconds, () =>
            {
                lock (gate) if (timer != null) Check(timeout, timeout);
            });
        }

        public void Stop()
        {
            timer?.Dispose();
            timer = null;
            latest = null;
        }

        /// <summary>Asks now, and gives up after `limit`; later ones wait for `timeout`.</summary>
        public void Check(TimeSpan limit, TimeSpan timeout)
        {
            Stop();
            var check = new object();
            latest = check;
            var sentAt = clock.NowMs;
            ask(limit, (result, error) =>
            {
                if (latest != check) return;
                if (error?.Code != "timeout" || heardAt() > sentAt) Start(timeout);
                else died();
            });
        }

        /// <summary>A sign of life was answered after so long.</summary>
        public void Measured(double roundTripMs)
        {
            roundTrips.Enqueue(roundTripMs);
            if (roundTrips.Count > Samples) roundTrips.Dequeue();
            Latency = TimeSpan.FromMilliseconds(roundTrips.OrderBy(one => one).ElementAt(roundTrips.Count / 2));
        }
    }
}
