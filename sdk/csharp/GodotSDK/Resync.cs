#nullable enable
using System;

namespace GodotSDK
{
    /// <summary>
    /// Asks the server for the whole state after something came that could not be read, at most once a second, and less and less often
    /// while no snapshot comes. Called under the connector's lock.
    /// </summary>
    internal sealed class Resync
    {
        private const double FirstPauseMs = 1_000;
        private const double MaxPauseMs = 60_000;

        private readonly IClock clock;
        private readonly object gate;
        private readonly Action<Answered> ask;
        private double pauseMs = FirstPauseMs;
        private bool isWanted;
        private IDisposable? timer;

        public Resync(IClock clock, object gate, Action<Answered> ask)
        {
            this.clock = clock;
            this.gate = gate;
            this.ask = ask;
        }

        public void Want()
        {
            isWanted = true;
            if (timer == null) Ask();
        }

        /// <summary>A snapshot came, which holds what was lost.</summary>
        public void Done()
        {
            isWanted = false;
            pauseMs = FirstPauseMs;
        }

        /// <summary>The connection is gone; the next one gets the whole state anyway.</summary>
        public void Stop()
        {
            Done();
            timer?.Dispose();
            timer = null;
        }

        private void Ask()
        {
            isWanted = false;
            timer = clock.After(pauseMs, () =>
            {
                lock (gate)
                {
                    if (timer == null) return;
                    timer = null;
                    if (isWanted) Ask();
                }
            });
            pauseMs = Math.Min(2 * pauseMs, MaxPauseMs);
            ask((result, error) => isWanted |= error?.Code == "rate_limited" || error?.Code == "busy");
        }
    }
}
