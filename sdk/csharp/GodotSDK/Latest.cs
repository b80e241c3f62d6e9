#nullable enable
using System;
using System.Collections.Generic;
using System.Linq;

namespace GodotSDK
{
    /// <summary>
    /// Inputs of which only the newest counts, such as a position: at most one an interval and key goes out. No socket and no clock
    /// of its own.
    /// </summary>
    internal sealed class Latest
    {
        /// <summary>What is older than this when the connection is back is not sent any more.</summary>
        private const double MaxAgeMs = 1_000;

        private readonly Dictionary<string, Slot> slots = new Dictionary<string, Slot>();
        private readonly Func<string, bool> send;
        private readonly IClock clock;
        private readonly object gate;
        private readonly Action dropped;
        private double intervalMs = 50;
        private bool isOpen;

        /// <summary>`dropped` is called for each that had become too old.</summary>
        public Latest(Func<string, bool> send, IClock clock, object gate, Action dropped)
        {
            this.send = send;
            this.clock = clock;
            this.gate = gate;
            this.dropped = dropped;
        }

        public void Put(string key, string text)
        {
            if (!slots.TryGetValue(key, out var slot)) slots[key] = slot = new Slot();
            slot.Text = text;
            slot.At = clock.NowMs;
            if (isOpen && slot.Timer == null) Send(key, slot);
        }

        public void Welcome(TimeSpan interval)
        {
            isOpen = true;
            intervalMs = interval.TotalMilliseconds;
            foreach (var (key, slot) in slots.Select(pair => (pair.Key, pair.Value)).ToList())
            {
                if (slot.Text != null && clock.NowMs - slot.At < MaxAgeMs)
                {
                    Send(key, slot);
                    continue;
                }
                if (slot.Text != null) dropped();
                slots.Remove(key);
            }
        }

        public void Lost()
        {
            isOpen = false;
            foreach (var slot in slots.Values)
            {
                slot.Timer?.Dispose();
                slot.Timer = null;
            }
        }

        // A connection that is too far behind takes it later, or a newer one.
        private void Send(string key, Slot slot)
        {
            if (send(slot.Text!)) slot.Text = null;
            slot.Timer = clock.After(intervalMs, () =>
            {
                lock (gate) Due(key, slot);
            });
        }

        private void Due(string key, Slot slot)
        {
            if (!isOpen || slot.Timer == null) return;
            slot.Timer = null;
            if (slot.Text != null) Send(key, slot);
            else slots.Remove(key);
        }

        private sealed class Slot
        {
            public string? Text { get; set; }

            public double At { get; set; }

            public IDisposable? Timer { get; set; }
        }
    }
}
