#nullable enable
using System;
using System.Threading;
using System.Threading.Tasks;

namespace GodotSDK
{
    /// <summary>
    /// The connection of one room: made, lost and made again, until it ends for good. All of its state is under one lock; it calls
    /// nothing of the game's within that.
    /// </summary>
    internal sealed partial class Connector
    {
        private enum Phase
        {
            /// <summary>A socket is on its way to the welcome.</summary>
            Dialing,
            Open,

            /// <summary>For the next attempt.</summary>
            Waiting,
            Left,
        }

        private const string ClosedByClient = "closed by the client";

        private readonly object gate = new object();
        private readonly GodotClientOptions options;
        private readonly IClock clock;
        private readonly Api api;
        private readonly Tokens tokens;
        private readonly IRoomListener room;
        private readonly Func<(string Epoch, long Since)?, Uri> addressOf;
        private readonly Func<Task> spaceAsync;
        private readonly CancellationTokenSource life = new CancellationTokenSource();
        private readonly TaskCompletionSource<Welcome> joined = new TaskCompletionSource<Welcome>(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly LinkFactory link;
        private readonly Attempts attempts;
        private readonly Conversation conversation;
        private Phase phase = Phase.Dialing;

        /// <summary>The attempt whose link counts; what comes from any other is ignored.</summary>
        private Dial? current;
        private IDisposable? timer;
        private Welcome? welcome;
        private string? usedToken;
        private Task closing = Task.CompletedTask;
        private (int Code, string Reason) lost = (CloseCodes.Normal, "");
        private bool hasStarted;
        private bool hasAskedForToken;
        private bool isOffline;
        private bool isLeaving;

        public Connector(
            GodotClientOptions options,
            Api api,
            Tokens tokens,
            IRoomListener room,
            Func<(string Epoch, long Since)?, Uri> addressOf,
            Func<Task> spaceAsync)
        {
            this.options = options;
            clock = options.Clock;
            this.api = api;
            this.tokens = tokens;
            this.room = room;
            this.addressOf = addressOf;
            this.spaceAsync = spaceAsync;
            link = options.Link ?? Link.Open;
            if (options.Simulate != null) link = SimulatedLink.Over(link, options.Simulate, clock, options.Random);
            attempts = new Attempts(options.Reconnect ?? new ReconnectOptions(), options.Random);
            conversation = new Conversation(options, gate, room, SendText, () => current?.HeardAt ?? 0, Died, Welcomed);
        }

        /// <summary>The first welcome, or why there was none.</summary>
        public Task<Welcome> Joined => joined.Task;

        /// <summary>Done when the last socket is closed.</summary>
        public Task Closing
        {
            get { lock (gate) return closing; }
        }

        public RoomConnection State
        {
            get
            {
                lock (gate)
                {
                    if (phase == Phase.Left) return RoomConnection.Left;
                    if (phase == Phase.Open) return RoomConnection.Joined;
                    return welcome == null ? RoomConnection.Joining : RoomConnection.Rejoining;
                }
            }
        }

        public Welcome? Welcome
        {
            get { lock (gate) return welcome; }
        }

        public TimeSpan? Latency
        {
            get { lock (gate) return conversation.Latency; }
        }

        public DateTimeOffset? ServerTime
        {
            get { lock (gate) return conversation.ServerTime; }
        }

        public RoomStats Stats
        {
            get { lock (gate) return conversation.Stats.Copy(); }
        }

        /// <summary>Begins; only the first call counts.</summary>
        public void Start()
        {
            lock (gate)
            {
                if (hasStarted || phase != Phase.Dialing) return;
                hasStarted = true;
                DialNow();
            }
        }

        public bool Send(string text)
        {
            lock (gate)
            {
                var isSent = SendText(text);
                if (!isSent) conversation.Stats.Dropped += 1;
                return isSent;
            }
        }

        public void SendLatest(string key, string text)
        {
            lock (gate) if (phase != Phase.Left) conversation.SendLatest(key, text);
        }

        /// <summary>Takes a request; gives its id.</summary>
        public long Request(string action, Payload payload, RequestOptions? how, Answered answered)
        {
            lock (gate)
            {
                if (phase != Phase.Left) return conversation.Request(action, payload, how, answered);
                answered(null, Conversation.NotSent(action));
                return 0;
            }
        }

        /// <summary>Measures the round trip.</summary>
        public void Ping(Action<TimeSpan, GodraException?> answered)
        {
            lock (gate)
            {
                var sentAt = clock.NowMs;
                conversation.Ping(options.RequestTimeout, (result, error) => answered(TimeSpan.FromMilliseconds(clock.NowMs - sentAt), error));
            }
        }

        /// <summary>Nobody waits for this request any more.</summary>
        public void Forget(long id)
        {
            lock (gate) conversation.Forget(id);
        }

        /// <summary>The device says whether it has a network: without one there are no attempts.</summary>
        public void SetOnline(bool isOnlineNow)
        {
            lock (gate)
            {
                isOffline = !isOnlineNow;
                if (isOffline) timer?.Dispose();
            }
            if (isOnlineNow) CheckNow();
        }

        /// <summary>The game gives up the player's place: the end of the connection is what it wants.</summary>
        public void Leaving()
        {
            lock (gate) isLeaving = true;
        }

        /// <summary>The network is back, or the game: what was known of the connection may be old.</summary>
        public void CheckNow()
        {
            lock (gate)
            {
                isOffline = false;
                if (phase == Phase.Open) conversation.CheckNow();
                if (phase != Phase.Waiting) return;
                attempts.Restart(clock.NowMs);
                DialNow();
            }
        }

        /// <summary>Ends it by the game's wish; without a cause, or with the end of the session.</summary>
        public void Close(GodraException? cause)
        {
            lock (gate)
            {
                if (cause != null && phase != Phase.Open) End(lost.Code, lost.Reason, cause);
                else End(CloseCodes.Normal, ClosedByClient, cause);
            }
        }
    }
}
