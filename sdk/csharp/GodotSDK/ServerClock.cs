#nullable enable
using System;
using System.Collections.Generic;

namespace GodotSDK
{
    /// <summary>
    /// How far the server's clock is from this one, as the answer with the shortest round trip of the last ones says. It is forgotten
    /// with its connection: another server's clock is another one.
    /// </summary>
    internal sealed class ServerClock
    {
        private const int Samples = 10;

        /// <summary>The year 9999: what DateTimeOffset can say.</summary>
        private const double MaxUnixMs = 253_402_300_799_999;

        private readonly Queue<(double RoundTripMs, double OffsetMs)> measured = new Queue<(double, double)>();
        private double? ofWelcome;

        /// <summary>A connection is there; `serverMs` is a lower bound of the server's clock, by its way through the network.</summary>
        public void Begin(double nowMs, long? serverMs)
        {
            Forget();
            ofWelcome = serverMs - nowMs;
        }

        public void Measured(double sentMs, double gotMs, long? serverMs)
        {
            if (serverMs == null) return;
            measured.Enqueue((gotMs - sentMs, serverMs.Value + (gotMs - sentMs) / 2 - gotMs));
            if (measured.Count > Samples) measured.Dequeue();
        }

        public void Forget()
        {
            measured.Clear();
            ofWelcome = null;
        }

        /// <summary>The server's time now; null without a connection.</summary>
        public DateTimeOffset? At(double nowMs)
        {
            var best = (RoundTripMs: double.MaxValue, OffsetMs: ofWelcome);
            foreach (var one in measured) if (one.RoundTripMs < best.RoundTripMs) best = one;
            if (best.OffsetMs == null) return null;
            var serverMs = Math.Min(Math.Max(nowMs + best.OffsetMs.Value, 0), MaxUnixMs);
            return DateTimeOffset.FromUnixTimeMilliseconds((long)serverMs);
        }
    }
}
