#nullable enable
using System;
using System.Collections.Generic;
using System.Linq;
using Newtonsoft.Json.Linq;

namespace GodotSDK
{
    /// <summary>
    /// Requests that run exactly once: numbered, kept until they are answered, and sent again by the next connection. Follows what
    /// sdk/PROTOCOL.md says of numbered inputs. No socket and no clock of its own.
    /// </summary>
    internal sealed class Outbox
    {
        /// <summary>So many may wait for their answers.</summary>
        public const int MaxWaiting = 64;

        /// <summary>
        /// So many are on their way at once, as the server keeps the first answers to so many: an answer that got lost can come again.
        /// </summary>
        public const int MaxUnderWay = 16;

        private const double FirstRetryMs = 100;
        private const double MaxRetryMs = 5_000;

        /// <summary>With these the server says: not now. They have not run, or nobody knows.</summary>
        private static readonly HashSet<string> NotNow = new HashSet<string> { "busy", "unavailable", "rate_limited", "out_of_order" };

        private readonly Func<string, bool> send;
        private readonly IClock clock;
        private readonly Func<double> random;
        private readonly object gate;

        /// <summary>Oldest first.</summary>
        private readonly List<OutboxRequest> waiting = new List<OutboxRequest>();
        private bool isOpen;
        private bool isNumbered = true;
        private long nextN = 1;
        private string? epoch;
        private string? user;
        private int refusals;
        private IDisposable? retry;

        /// <summary>`send` says whether the text was sent.</summary>
        public Outbox(Func<string, bool> send, IClock clock, Func<double> random, object gate)
        {
            this.send = send;
            this.clock = clock;
            this.random = random;
            this.gate = gate;
        }

        /// <summary>Takes a request, and answers it, by whichever connection that comes. Without a timeout it waits for it.</summary>
        public void Add(long id, string action, Payload payload, TimeSpan? timeout, Answered answered)
        {
            if (!isNumbered || waiting.Count >= MaxWaiting)
            {
                answered(null, isNumbered ? QueueFull(action) : Unsupported(action, Outcome.None));
                return;
            }
            var request = new OutboxRequest(id, action, Inputs.Text(action, payload, id), answered);
            if (timeout != null) request.Timer = clock.After(timeout.Value.TotalMilliseconds, () => TimedOut(request, timeout.Value));
            waiting.Add(request);
            Flush();
        }

        /// <summary>A connection is there: what waits goes out, the oldest first, with the numbers that it had.</summary>
        public void Welcome(Welcome welcome)
        {
            isOpen = true;
            isNumbered = welcome.N != null;
            if (!isNumbered)
            {
                FailAll(_ => true, Unsupported);
                return;
            }
            var isOther = user != null && welcome.UserId != user;
            if (isOther) Fail("The connection is another player's now");
            FailAll(request => request.Epoch != null && request.Epoch != welcome.Epoch, Disconnected("The server has lost the room's data"));
            var next = welcome.N!.Value + 1;
            nextN = isOther || welcome.Epoch != epoch ? next : Math.Max(nextN, next);
            epoch = welcome.Epoch;
            user = welcome.UserId;
            Flush();
        }

        /// <summary>The store lost its data while the connection holds. What is under way gets its answer, unless the connection goes, too.</summary>
        public void EpochIs(string newEpoch) => epoch = newEpoch;

        public void Lost()
        {
            isOpen = false;
            refusals = 0;
            retry?.Dispose();
            retry = null;
            foreach (var request in waiting) request.IsUnderWay = false;
        }

        /// <summary>No connection will follow.</summary>
        public void Fail(string why) => FailAll(_ => true, Disconnected(why));

        /// <summary>Whether this was an answer to a numbered request.</summary>
        public bool Settle(long? id, long? n, JToken? result, GodraException? error)
        {
            var request = waiting.FirstOrDefault(one => one.N != null && (one.Id == id || one.N == n));
            // What was sent twice is answered twice.
            if (request == null) return n != null;
            if (error != null && NotNow.Contains(error.Code))
            {
                PutOff(request);
                return true;
            }
            Remove(request);
            refusals = 0;
            request.Answer(result, error);
            Flush();
            return true;
        }

        /// <summary>Nobody waits for this one any more. One that was sent stays: see <see cref="TimedOut"/>.</summary>
        public void Forget(long id)
        {
            var request = waiting.FirstOrDefault(one => one.Id == id);
            if (request?.N == null && request != null) Remove(request);
        }

        private void Flush()
        {
            if (!isOpen || retry != null) return;
            var underWay = waiting.Count(request => request.IsUnderWay);
            foreach (var request in waiting.Where(request => !request.IsUnderWay).ToList())
            {
                if (underWay >= MaxUnderWay) return;
                if (!SendOne(request))
                {
                    RetryLater();
                    return;
                }
                underWay += 1;
            }
        }

        private bool SendOne(OutboxRequest request)
        {
            var n = request.N ?? nextN;
            if (!send(Inputs.Numbered(request.Text, n))) return false;
            request.N = n;
            request.Epoch ??= epoch;
            request.IsUnderWay = true;
            nextN = Math.Max(nextN, n + 1);
            return true;
        }

        // What was sent behind it must not run before it, and the server refuses it, too: all of that goes again, in order.
        private void PutOff(OutboxRequest refused)
        {
            foreach (var request in waiting) if (request.N >= refused.N) request.IsUnderWay = false;
            RetryLater();
        }

        private void RetryLater()
        {
            if (retry != null) return;
            refusals += 1;
            var about = new BackoffInput { Attempt = refusals + 1, Answers = refusals };
            retry = clock.After(Backoff.DelayMs(about, FirstRetryMs, MaxRetryMs, random), () =>
            {
                lock (gate)
                {
                    retry = null;
                    Flush();
                }
            });
        }

        // One that was sent stays, unheard: it may have been refused, and then holds back all behind it until it comes again.
        private void TimedOut(OutboxRequest request, TimeSpan timeout)
        {
            lock (gate)
            {
                if (request.N == null) Remove(request);
                request.Answer(null, Pending.TimedOut(request.Action, timeout, request.OutcomeNow));
            }
        }

        private void FailAll(Func<OutboxRequest, bool> isMeant, Func<string, Outcome, GodraException> errorOf)
        {
            foreach (var request in waiting.Where(isMeant).ToList())
            {
                Remove(request);
                request.Answer(null, errorOf(request.Action, request.OutcomeNow));
            }
        }

        private void Remove(OutboxRequest request)
        {
            request.Timer?.Dispose();
            waiting.Remove(request);
        }

        private static Func<string, Outcome, GodraException> Disconnected(string why) => (action, outcome) =>
        {
            var more = outcome == Outcome.None ? "was not sent" : "may have run, or not";
            return Errors.Input("disconnected", $"{why}: {action} {more}", outcome);
        };

        private static GodraException QueueFull(string action) =>
            Errors.Input("queue_full", $"{MaxWaiting} requests wait already: {action} was not sent", Outcome.None);

        private static GodraException Unsupported(string action, Outcome outcome) =>
            Errors.Input("unsupported", $"This server takes no numbered inputs: {action} was not sent", outcome);
    }
}
