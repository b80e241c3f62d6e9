using System;
using System.Collections.Generic;
using System.Linq;

namespace GodotSDK.Tests;

/// <summary>Time that passes when a test says so.</summary>
internal sealed class VirtualClock : IClock
{
    private readonly List<Alarm> alarms = [];

    public double NowMs { get; private set; } = 1_000;

    public long WallMs => 1_800_000_000_000 + (long)NowMs;

    /// <summary>How long until the next alarm; null without one.</summary>
    public double? NextMs => alarms.Count == 0 ? null : alarms.Min(alarm => alarm.At) - NowMs;

    public IDisposable After(double delayMs, Action run)
    {
        var alarm = new Alarm(this, NowMs + delayMs, run);
        alarms.Add(alarm);
        return alarm;
    }

    public void Advance(double ms)
    {
        var end = NowMs + ms;
        while (alarms.Where(alarm => alarm.At <= end).MinBy(alarm => alarm.At) is Alarm next)
        {
            NowMs = Math.Max(NowMs, next.At);
            alarms.Remove(next);
            next.Run();
        }
        NowMs = end;
    }

    private sealed record Alarm(VirtualClock Clock, double At, Action Run) : IDisposable
    {
        public void Dispose() => Clock.alarms.RemoveAll(alarm => ReferenceEquals(alarm, this));
    }
}
