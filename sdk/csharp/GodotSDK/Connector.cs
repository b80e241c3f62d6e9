using System;
using System.Threading;
using System.Threading.Tasks;

namespace GodotSDK
{
    /// <summary>
    /// The connection of one room: made, lost and made again, until it ends for good. All of its state is under one lock; it calls
    /// nothing of the game's within that.
    /// </summary>
    internal sealed class Connector
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

        /// <summary>So soon a connection has to show that it lived through a sleep.</summary>
        private static readonly TimeSpan WakeLimit = TimeSpan.FromSeconds(3);

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
        private readonly Attempts attempts;
        private readonly Position position = new Position();
        private readonly Pending pending;
        private readonly Outbox outbox;
        private readonly Latest latest;
        private readonly Inbox inbox;
        private readonly Heartbeat heartbeat;
        private Phase phase = Phase.Dialing;
        private Dial? dial;
        private IDisposable? timer;
        private Welcome? welcome;
        private string? usedToken;
        private Task closing = Task.CompletedTask;
        private (int Code, string Reason) lost = (CloseCodes.Normal, "");
        private bool hasStarted;
        private bool hasAskedForToken;
        private long nextId = 1;

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
            attempts = new Attempts(options.Reconnect ?? new ReconnectOptions(), options.Random);
            pending = new Pending(clock, gate);
            outbox = new Outbox(SendText, clock, options.Random, gate);
            latest = new Latest(SendText, clock, gate);
            inbox = new Inbox(position, pending, outbox, room, Welcomed);
            heartbeat = new Heartbeat(clock, gate, options.Heartbeat, Ping, () => dial?.HeardAt ?? 0, Died);
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
            get { lock (gate) return heartbeat.Latency; }
        }

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
            lock (gate) return SendText(text);
        }

        public void SendLatest(string key, string text)
        {
            lock (gate) if (phase != Phase.Left) latest.Put(key, text);
        }

        /// <summary>Takes a request; gives its id.</summary>
        public long Request(string action, Payload payload, RequestOptions? how, Answered answered)
        {
            lock (gate)
            {
                var id = nextId++;
                if (how?.Once == true && phase != Phase.Left) outbox.Add(id, action, payload, how.Timeout, answered);
                else if (pending.IsFull) answered(null, Errors.Input("queue_full", $"{Pending.MaxWaiting} requests wait already: {action} was not sent", Outcome.None));
                else if (!SendText(Inputs.Text(action, payload, id))) answered(null, Errors.Input("disconnected", $"Not connected: {action} was not sent", Outcome.None));
                else pending.Add(id, action, how?.Timeout ?? options.RequestTimeout, answered);
                return id;
            }
        }

        /// <summary>Nobody waits for this request any more.</summary>
        public void Forget(long id)
        {
            lock (gate)
            {
                pending.Forget(id);
                outbox.Forget(id);
            }
        }

        /// <summary>The network is back, or the game: what was known of the connection may be old.</summary>
        public void CheckNow()
        {
            lock (gate)
            {
                if (phase == Phase.Open)
                {
                    heartbeat.Check(WakeLimit, options.RequestTimeout);
                }
                else if (phase == Phase.Waiting)
                {
                    attempts.Restart(clock.NowMs);
                    DialNow();
                }
            }
        }

        /// <summary>Ends it by the game's wish; without a cause, or with the end of the session.</summary>
        public void Close(GodraException? cause)
        {
            lock (gate)
            {
                var isSession = cause != null && phase != Phase.Open;
                if (isSession) End(lost.Code, lost.Reason, cause);
                else End(CloseCodes.Normal, "closed by the client", cause);
            }
        }

        private bool SendText(string text) => phase == Phase.Open && dial!.Link!.Send(text);

        private void DialNow()
        {
            timer?.Dispose();
            phase = Phase.Dialing;
            _ = DialAsync();
        }

        private async Task DialAsync()
        {
            try
            {
                var token = await tokens.FreshAsync(life.Token).ConfigureAwait(false);
                lock (gate) if (phase == Phase.Dialing) Open(token);
            }
            catch (Exception e)
            {
                var error = e as GodraException ?? new GodraException("unavailable", $"There is no token: {e.Message}", e);
                lock (gate) if (phase == Phase.Dialing) Failed(error);
            }
        }

        private void Open(string token)
        {
            // What one player has seen is not what another may see.
            if (tokens.UserOf(token) is string user && user != welcome?.UserId) position.Forget();
            var address = addressOf(options.Resume ? position.Resume : null);
            var request = new LinkRequest(address, token, options.MaxBufferedBytes, options.MaxMessageBytes);
            inbox.Restart();
            usedToken = token;
            dial = new Dial(request, this);
            dial.Timer = clock.After(options.ConnectTimeout.TotalMilliseconds, dial.TimedOut);
            dial.Link = (options.Link ?? Link.Open)(request, dial);
        }

        private void Welcomed(Welcome? read, GodraException? error)
        {
            dial!.Timer!.Dispose();
            if (read == null)
            {
                Drop(CloseCodes.Normal, error!.Message);
                Failed(error);
                return;
            }
            phase = Phase.Open;
            hasAskedForToken = false;
            welcome = read;
            attempts.Opened(clock.NowMs);
            position.Welcome(read.Recovered, read.Epoch, read.Seq);
            heartbeat.Start(options.RequestTimeout);
            // Before the game hears of the connection, so that all that it sends then comes behind.
            outbox.Welcome(read);
            latest.Welcome(read.SyncInterval);
            room.OnConnected(read);
            joined.TrySetResult(read);
        }

        private void Ping(TimeSpan limit, Answered answered)
        {
            var id = nextId++;
            if (!SendText(Inputs.Text("heartbeat", default, id)))
            {
                answered(null, Errors.Input("disconnected", "Not connected", Outcome.None));
                return;
            }
            pending.Add(id, "heartbeat", limit, (result, error) =>
            {
                position.Reached(Json.Whole((result as Newtonsoft.Json.Linq.JObject)?["seq"]));
                answered(result, error);
            });
        }

        private void Died()
        {
            const string reason = "no answer to a heartbeat";
            Drop(4000, reason);
            Lost(CloseCodes.Broken, reason);
        }

        private void Ended(Dial ended, LinkEnd end)
        {
            ended.Timer!.Dispose();
            dial = null;
            if (phase == Phase.Open) Lost(end.Code, end.Reason);
            else _ = ExplainAsync(ended, end);
        }

        private async Task ExplainAsync(Dial ended, LinkEnd end)
        {
            if (end.Code == CloseCodes.TokenExpired) tokens.Distrust(ended.Request.Token);
            GodraException error;
            try
            {
                error = await Refusal.ExplainAsync(end, ended.IsOpened, api, ended.Request, life.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            if (error.Status == 401) tokens.Distrust(ended.Request.Token);
            lock (gate) if (phase == Phase.Dialing) Failed(error);
        }

        private void Lost(int code, string reason)
        {
            lost = (code, reason);
            dial = null;
            heartbeat.Stop();
            attempts.Lost(clock.NowMs);
            pending.Fail(() => Errors.Input("disconnected", WhyLost(), Outcome.Unknown));
            outbox.Lost();
            latest.Lost();
            if (code == CloseCodes.TokenExpired) tokens.Distrust(usedToken);
            if (!ComesBack(code))
            {
                End(code, reason, CauseOf(code, reason));
                return;
            }
            var next = RetryLater(code, null);
            room.OnDisconnected(new DisconnectedArgs(code, reason, true, null));
            room.OnReconnecting(next);
            if (code == CloseCodes.TokenExpired) _ = RenewAsync();
        }

        // Whether the session is over is known before the first attempt that needs it.
        private async Task RenewAsync()
        {
            try
            {
                await tokens.FreshAsync(life.Token).ConfigureAwait(false);
            }
            catch (Exception)
            {
                // The attempt asks again, and deals with what comes.
            }
        }

        private bool ComesBack(int code)
        {
            if (options.Reconnect == null || !CloseCodes.ComesBack(code)) return false;
            // The server says that this token has had its time.
            return code != CloseCodes.TokenExpired || tokens.CanRefresh;
        }

        private ReconnectingArgs RetryLater(int code, TimeSpan? retryAfter)
        {
            phase = Phase.Waiting;
            var next = attempts.Next(clock.NowMs, code, retryAfter);
            timer = clock.After(next.Delay.TotalMilliseconds, () =>
            {
                lock (gate) if (phase == Phase.Waiting) DialNow();
            });
            return next;
        }

        private void Failed(GodraException error)
        {
            var isTokenRefused = error.Status == 401 || error.CloseCode == CloseCodes.TokenExpired;
            if (isTokenRefused && tokens.CanRefresh && !hasAskedForToken)
            {
                hasAskedForToken = true;
                DialNow();
                return;
            }
            if (error.Status == 401) error = Errors.SessionEnded($"The server takes no token of this session: {error.Message}", error);
            attempts.Failed(error);
            if (welcome == null || IsOver(error)) End(lost.Code, lost.Reason, error);
            else room.OnReconnecting(RetryLater(error.CloseCode ?? CloseCodes.Broken, error.RetryAfter));
        }

        private bool IsOver(GodraException error)
        {
            if (error.Code == "closed") return !ComesBack(error.CloseCode!.Value);
            return error.Kind == GodraErrorKind.Session || Refusal.IsFinal(error) || attempts.AreRefused;
        }

        private void Drop(int code, string reason)
        {
            if (dial == null) return;
            dial.Timer!.Dispose();
            closing = dial.Link!.CloseAsync(code, reason);
            dial = null;
        }

        private void End(int code, string reason, GodraException? cause)
        {
            if (phase == Phase.Left) return;
            phase = Phase.Left;
            timer?.Dispose();
            heartbeat.Stop();
            Drop(CloseCodes.Normal, "closed by the client");
            var why = cause?.Message ?? "The room was closed";
            pending.Fail(() => Errors.Input("disconnected", why, Outcome.Unknown));
            outbox.Lost();
            outbox.Fail(why);
            latest.Lost();
            life.Cancel();
            if (welcome != null) room.OnDisconnected(new DisconnectedArgs(code, reason, false, cause));
            joined.TrySetException(cause ?? Errors.Cancelled());
        }

        private string WhyLost() => $"The connection was lost ({lost.Code}{(lost.Reason == "" ? "" : $": {lost.Reason}")})";

        private static GodraException CauseOf(int code, string reason)
        {
            var cause = Refusal.Closed(new LinkEnd(code, reason));
            return code == CloseCodes.TokenExpired ? new GodraException("session_ended", cause.Message) { CloseCode = code } : cause;
        }

        /// <summary>One attempt and its link. Whatever comes from one that is no longer the current one is ignored.</summary>
        private sealed class Dial : ILinkListener
        {
            private readonly Connector owner;
            private double heardAt;
            private bool isHeldBack;

            public Dial(LinkRequest request, Connector owner)
            {
                Request = request;
                this.owner = owner;
            }

            public LinkRequest Request { get; }

            public ILink? Link { get; set; }

            public IDisposable? Timer { get; set; }

            public bool IsOpened { get; private set; }

            /// <summary>Where this side does not read on, silence says nothing about the other.</summary>
            public double HeardAt => isHeldBack ? owner.clock.NowMs : heardAt;

            public void Opened()
            {
                lock (owner.gate) IsOpened = true;
            }

            public async Task ReceivedAsync(string text)
            {
                lock (owner.gate)
                {
                    if (owner.dial != this) return;
                    heardAt = owner.clock.NowMs;
                    owner.inbox.Read(text);
                }
                var space = owner.spaceAsync();
                if (space.IsCompleted) return;
                lock (owner.gate) isHeldBack = true;
                await space.ConfigureAwait(false);
                lock (owner.gate)
                {
                    heardAt = owner.clock.NowMs;
                    isHeldBack = false;
                }
            }

            public void Malformed(string why)
            {
                lock (owner.gate)
                {
                    if (owner.dial != this) return;
                    heardAt = owner.clock.NowMs;
                    owner.inbox.Malformed(why);
                }
            }

            public void Ended(LinkEnd end)
            {
                lock (owner.gate) if (owner.dial == this) owner.Ended(this, end);
            }

            public void TimedOut()
            {
                lock (owner.gate)
                {
                    if (owner.dial != this || owner.phase != Phase.Dialing) return;
                    var why = $"No welcome from the server within {owner.options.ConnectTimeout.TotalMilliseconds} ms";
                    owner.Drop(CloseCodes.Normal, why);
                    owner.Failed(new GodraException("timeout", why) { CloseCode = CloseCodes.Normal });
                }
            }
        }
    }
}
