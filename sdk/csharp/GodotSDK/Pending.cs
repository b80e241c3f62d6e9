#nullable enable
using System;
using System.Collections.Generic;
using System.Linq;
using Newtonsoft.Json.Linq;

namespace GodotSDK
{
    /// <summary>Whoever waits for an answer; called once, with a result or an error.</summary>
    internal delegate void Answered(JToken? result, GodraException? error);

    /// <summary>Requests that wait for their answer on the connection that they went out by.</summary>
    internal sealed class Pending
    {
        /// <summary>The server lets 256 wait; more than this is a game that asks in a loop.</summary>
        public const int MaxWaiting = 1024;

        private readonly Dictionary<long, Waiter> waiting = new Dictionary<long, Waiter>();
        private readonly IClock clock;
        private readonly object gate;

        public Pending(IClock clock, object gate)
        {
            this.clock = clock;
            this.gate = gate;
        }

        public bool IsFull => waiting.Count >= MaxWaiting;

        public void Add(long id, string action, TimeSpan timeout, Answered answered)
        {
            var timer = clock.After(timeout.TotalMilliseconds, () =>
            {
                lock (gate) Take(id)?.Answered(null, TimedOut(action, timeout, Outcome.Unknown));
            });
            waiting[id] = new Waiter(action, answered, timer);
        }

        /// <summary>Gives the action that was answered; null if nobody waits for this answer.</summary>
        public string? Settle(long? id, JToken? result, GodraException? error)
        {
            var waiter = id == null ? null : Take(id.Value);
            waiter?.Answered(result, error);
            return waiter?.Action;
        }

        /// <summary>Nobody waits for this one any more.</summary>
        public void Forget(long id) => Take(id);

        /// <summary>The connection is gone, and the answers with it.</summary>
        public void Fail(Func<GodraException> why)
        {
            foreach (var id in waiting.Keys.ToList()) Take(id)?.Answered(null, why());
        }

        public static GodraException TimedOut(string action, TimeSpan timeout, Outcome outcome) =>
            Errors.Input("timeout", $"No reply to {action} within {timeout.TotalMilliseconds} ms", outcome);

        private Waiter? Take(long id)
        {
            if (!waiting.TryGetValue(id, out var waiter)) return null;
            waiting.Remove(id);
            waiter.Timer.Dispose();
            return waiter;
        }

        private sealed class Waiter
        {
            public Waiter(string action, Answered answered, IDisposable timer)
            {
                Action = action;
                Answered = answered;
                Timer = timer;
            }

            public string Action { get; }

            public Answered Answered { get; }

            public IDisposable Timer { get; }
        }
    }
}
