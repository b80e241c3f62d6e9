#nullable enable
using System;
using System.Diagnostics;
using System.Threading;

namespace GodotSDK
{
    /// <summary>Time, so that tests can bring their own.</summary>
    internal interface IClock
    {
        /// <summary>Milliseconds since some moment; never goes back.</summary>
        double NowMs { get; }

        /// <summary>Milliseconds since 1970, as the device believes.</summary>
        long WallMs { get; }

        /// <summary>Runs once after the delay, unless what it gives is disposed before. It never runs within this call.</summary>
        IDisposable After(double delayMs, Action run);
    }

    internal sealed class SystemClock : IClock
    {
        public static readonly SystemClock Instance = new SystemClock();

        public double NowMs => Stopwatch.GetTimestamp() * 1000.0 / Stopwatch.Frequency;

        public long WallMs => DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();

        public IDisposable After(double delayMs, Action run) =>
            new Timer(_ => run(), null, (long)Math.Max(0, Math.Ceiling(delayMs)), Timeout.Infinite);
    }
}
