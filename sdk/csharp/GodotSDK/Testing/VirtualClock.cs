#nullable enable
using System;
using System.Collections.Generic;

namespace GodotSDK.Testing
{
    /// <summary>Time that passes when a test says so.</summary>
    internal sealed class VirtualClock : IClock
    {
        private readonly List<Alarm> alarms = new List<Alarm>();

        public double NowMs { get; private set; } = 1_000;

        public long WallMs => 1_800_000_000_000 + (long)NowMs;

        /// <summary>How long until the next alarm; null without one.</summary>
        public double? NextMs
        {
            get
            {
                lock (alarms) return Next()?.At - NowMs;
            }
        }

        public IDisposable After(double delayMs, Action run)
        {
            var alarm = new Alarm(NowMs + Math.Max(0, delayMs), run);
            lock (alarms) alarms.Add(alarm);
            return new Ending(() =>
            {
                lock (alarms) alarms.Remove(alarm);
            });
        }

        /// <summary>Runs what is due within so many milliseconds, in order; also what is asked for meanwhile.</summary>
        public void Advance(double ms)
        {
            var end = NowMs + ms;
            while (TakeUntil(end) is Alarm next)
            {
                NowMs = Math.Max(NowMs, next.At);
                next.Run();
            }
            NowMs = end;
        }

        private Alarm? TakeUntil(double end)
        {
            lock (alarms)
            {
                var next = Next();
                if (next == null || next.At > end) return null;
                alarms.Remove(next);
                return next;
            }
        }

        private Alarm? Next()
        {
            Alarm? first = null;
            foreach (var alarm in alarms) if (first == null || alarm.At < first.At) first = alarm;
            return first;
        }

        private sealed class Alarm
        {
            public Alarm(double at, Action run)
            {
                At = at;
                Run = run;
            }

            public double At { get; }

            public Action Run { get; }
        }
    }
}
