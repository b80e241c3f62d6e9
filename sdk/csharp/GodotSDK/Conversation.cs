#nullable enable
using System;
using Newtonsoft.Json.Linq;

namespace GodotSDK
{
    /// <summary>
    /// What is said in a room over all its connections: inputs and their answers, events, and the place in the room's history. Called
    /// under the connector's lock.
    /// </summary>
    internal sealed class Conversation
    {
        /// <summary>So soon a connection has to show that it lived through a sleep.</summary>
        private static readonly TimeSpan WakeLimit = TimeSpan.FromSeconds(3);

        private readonly Func<string, bool> send;
        private readonly TimeSpan requestTimeout;
        private readonly Pending pending;
        private readonly Outbox outbox;
        private readonly Latest latest;
        private readonly Heartbeat heartbeat;
        private readonly Resync resync;
        private readonly ServerClock serverClock = new ServerClock();
        private readonly IClock clock;
        private bool hasWelcome;
        private long nextId = 1;

        public Conversation(
            GodotClientOptions options,
            object gate,
            IRoomListener room,
            Func<string, bool> send,
            Func<double> heardAt,
            Action died,
            Action<Welcome?, GodraException?> welcomed)
        {
            this.send = send;
            clock = options.Clock;
            requestTimeout = options.RequestTimeout;
            pending = new Pending(options.Clock, gate);
            outbox = new Outbox(send, options.Clock, options.Random, gate);
            latest = new Latest(send, options.Clock, gate, () => Stats.Dropped += 1);
            heartbeat = new Heartbeat(options.Clock, gate, options.Heartbeat, Ping, heardAt, died);
            resync = new Resync(options.Clock, gate, AskForState);
            Inbox = new Inbox(Position, pending, outbox, resync, Stats, room, welcomed);
        }

        public Position Position { get; } = new Position();

        public RoomStats Stats { get; } = new RoomStats();

        public Inbox Inbox { get; }

        public TimeSpan? Latency => heartbeat.Latency;

        public DateTimeOffset? ServerTime => serverClock.At(clock.NowMs);

        public void Welcome(Welcome welcome)
        {
            if (hasWelcome) Stats.Reconnects += 1;
            hasWelcome = true;
            Position.Welcome(welcome.Recovered, welcome.Epoch, welcome.Seq);
            serverClock.Begin(clock.NowMs, welcome.NowMs);
            heartbeat.Start(requestTimeout);
            // Before the game hears of the connection, so that all that it sends then comes behind.
            outbox.Welcome(welcome);
            latest.Welcome(welcome.SyncInterval);
        }

        public void SendLatest(string key, string text) => latest.Put(key, text);

        /// <summary>Takes a request; gives its id.</summary>
        public long Request(string action, Payload payload, RequestOptions? how, Answered answered)
        {
            var id = nextId++;
            if (Inputs.IsTooLarge(Inputs.Text(action, payload, id))) answered(null, Inputs.TooLarge(action));
            else if (how?.Once == true) outbox.Add(id, action, payload, how.Timeout, answered);
            else if (pending.IsFull) answered(null, QueueFull(action));
            else if (!send(Inputs.Text(action, payload, id))) answered(null, NotSent(action));
            else pending.Add(id, action, how?.Timeout ?? requestTimeout, answered);
            return id;
        }

        /// <summary>Nobody waits for this request any more.</summary>
        public void Forget(long id)
        {
            pending.Forget(id);
            outbox.Forget(id);
        }

        public void CheckNow() => heartbeat.Check(WakeLimit, requestTimeout);

        public void Lost(string why)
        {
            heartbeat.Stop();
            resync.Stop();
            serverClock.Forget();
            pending.Fail(() => Errors.Input("disconnected", why, Outcome.Unknown));
            outbox.Lost();
            latest.Lost();
        }

        /// <summary>No connection will follow.</summary>
        public void End(string why)
        {
            Lost(why);
            outbox.Fail(why);
        }

        public static GodraException NotSent(string action) =>
            Errors.Input("disconnected", $"Not connected: {action} was not sent", Outcome.None);

        private static GodraException QueueFull(string action) =>
            Errors.Input("queue_full", $"{Pending.MaxWaiting} requests wait already: {action} was not sent", Outcome.None);

        /// <summary>Asks for a sign of life, and learns from the answer how far the server is, and where.</summary>
        public void Ping(TimeSpan limit, Answered answered)
        {
            var sentAt = clock.NowMs;
            Ask("heartbeat", limit, (result, error) =>
            {
                if (error == null)
                {
                    heartbeat.Measured(clock.NowMs - sentAt);
                    serverClock.Measured(sentAt, clock.NowMs, Json.Whole((result as JObject)?["now"]));
                    Position.Reached(Json.Whole((result as JObject)?["seq"]));
                }
                answered(result, error);
            });
        }

        private void AskForState(Answered answered)
        {
            Stats.Resyncs += 1;
            Ask("resync", requestTimeout, answered);
        }

        private void Ask(string action, TimeSpan limit, Answered answered)
        {
            var id = nextId++;
            if (send(Inputs.Text(action, default, id))) pending.Add(id, action, limit, answered);
            else answered(null, NotSent(action));
        }
    }
}
