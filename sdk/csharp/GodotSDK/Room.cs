#nullable enable
using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Newtonsoft.Json.Linq;

namespace GodotSDK
{
    /// <summary>
    /// A lobby that the player is in. It lives through reconnects, until <see cref="Disconnected"/> says that none will follow.
    /// </summary>
    public sealed partial class Room
    {
        private readonly GodotClient client;
        private readonly Connector connector;
        private readonly Dispatcher dispatcher;
        private readonly Log log;
        private readonly Replica replica = new Replica();
        private readonly Handlers handlers = new Handlers();
        private readonly TaskCompletionSource<bool> over = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        private volatile bool isClosed;

        internal Room(GodotClient client, string id, Func<IRoomListener, Connector> connect, Dispatcher dispatcher, Log log)
        {
            this.client = client;
            Id = id;
            this.dispatcher = dispatcher;
            this.log = log;
            connector = connect(this);
        }

        /// <summary>Joined, or joined again; comes before any event of that connection.</summary>
        public event Action<Welcome>? Connected;

        /// <summary>A further attempt to come back will be made.</summary>
        public event Action<ReconnectingArgs>? Reconnecting;

        /// <summary>A connection was lost, or all is over: exactly one says that no reconnect follows.</summary>
        public event Action<DisconnectedArgs>? Disconnected;

        /// <summary>Every event of the room, in order, snapshots among them.</summary>
        public event Action<RoomEvent>? Event;

        /// <summary>The state was replaced, as the connection was too slow for all events.</summary>
        public event Action<JToken>? Snapshot;

        /// <summary><see cref="State"/> may have changed; once for what the server sent at once.</summary>
        public event Action<JToken>? StateChanged;

        /// <summary>Something failed that nobody waits for. Without a handler it is logged.</summary>
        public event Action<GodraException>? Error;

        /// <summary>The lobby's id, without <c>game:</c>.</summary>
        public string Id { get; }

        /// <summary>Where in its life it is.</summary>
        public RoomConnection Connection => connector.State;

        /// <summary>The last welcome; it tells who the player is. Null before the first.</summary>
        public Welcome? Welcome => connector.Welcome;

        /// <summary>
        /// The room as this client knows it: welcomes and snapshots replace it, and events change it by the reducers. Read it in
        /// handlers or on their thread, and do not change it.
        /// </summary>
        public JToken State => replica.State;

        /// <summary>The round trip to the server: the median of the last five heartbeats.</summary>
        public TimeSpan? Latency => connector.Latency;

        /// <summary>
        /// The server's clock, to within half of a round trip; null without a connection. It moves to another value when the connection
        /// is made again, as that may be to another server.
        /// </summary>
        public DateTimeOffset? ServerTime => connector.ServerTime;

        /// <summary>Events leave the server at most this often; null before the first welcome. A good delay for interpolation.</summary>
        public TimeSpan? SyncInterval => Welcome?.SyncInterval;

        /// <summary>What went over the connections until now.</summary>
        public RoomStats Stats => connector.Stats;

        internal Task<Welcome> Joined => connector.Joined;

        internal Task Closing => connector.Closing;

        /// <summary>How many callers of JoinAsync still wait for it; the client's lock guards it.</summary>
        internal int Waiters { get; set; }

        /// <summary>Calls the handler for every event of that type; dispose what it gives to end that.</summary>
        /// <param name="type">What the script names it.</param>
        /// <param name="handler">What to call.</param>
        public IDisposable On(string type, Action<RoomEvent> handler) => handlers.Add(type, handler);

        /// <summary>The same, with a payload that <paramref name="read"/> makes of it. What that throws is an <see cref="Error"/>.</summary>
        /// <param name="type">What the script names it.</param>
        /// <param name="read">Makes the payload.</param>
        /// <param name="handler">What to call.</param>
        /// <typeparam name="T">What the payload is made to.</typeparam>
        public IDisposable On<T>(string type, Func<JToken, T> read, Action<T> handler) => On(type, e => handler(read(e.Payload)));

        /// <summary>The next event of that type. Fails with <c>disconnected</c> when the room ends before it.</summary>
        /// <param name="type">What the script names it.</param>
        /// <param name="cancel">Ends the waiting.</param>
        public async Task<RoomEvent> NextAsync(string type, CancellationToken cancel = default)
        {
            var next = new TaskCompletionSource<RoomEvent>(TaskCreationOptions.RunContinuationsAsynchronously);
            using (On(type, e => next.TrySetResult(e)))
            using (cancel.Register(() => next.TrySetCanceled(cancel)))
            {
                var why = Errors.Input("disconnected", $"The room ended before {type}", Outcome.None);
                await Task.WhenAny(next.Task, over.Task).ConfigureAwait(false);
                next.TrySetException(why);
                return await next.Task.ConfigureAwait(false);
            }
        }

        /// <summary>Lets events of this type change <see cref="State"/>. Set it before joining, so that none is missed.</summary>
        /// <param name="type">What the script names it.</param>
        /// <param name="reducer">Changes the state.</param>
        public void Reduce(string type, Reducer reducer) => replica.Add(type, reducer);

        /// <summary>Sends an input now or never; false if there is no connection, or the network is far behind.</summary>
        /// <param name="action">The script to run.</param>
        /// <param name="payload">What it gets.</param>
        public bool Send(string action, Payload payload = default) => connector.Send(Inputs.Checked(action, payload));

        /// <summary>
        /// Sends an input of which only the newest counts: at most one for each interval of the room and key. While there is no
        /// connection the newest is kept, and sent if that comes back within a second.
        /// </summary>
        /// <param name="action">The script to run.</param>
        /// <param name="payload">What it gets.</param>
        /// <param name="key">What it is about, such as a unit's id; by default the action.</param>
        public void SendLatest(string action, Payload payload = default, string? key = null) =>
            connector.SendLatest(key ?? action, Inputs.Checked(action, payload));

        /// <summary>
        /// Sends an input and gives what its script returned. It fails with the connection, unless <see cref="RequestOptions.Once"/>
        /// lets it wait for the next. The error's <see cref="GodraException.Outcome"/> says whether the input ran.
        /// </summary>
        /// <param name="action">The script to run.</param>
        /// <param name="payload">What it gets.</param>
        /// <param name="options">Time limit, and whether it is to run exactly once.</param>
        /// <param name="cancel">Ends the waiting. An input that was sent may run all the same.</param>
        public async Task<JToken> RequestAsync(
            string action, Payload payload = default, RequestOptions? options = null, CancellationToken cancel = default)
        {
            cancel.ThrowIfCancellationRequested();
            var answer = new TaskCompletionSource<JToken>(TaskCreationOptions.RunContinuationsAsynchronously);
            var id = connector.Request(action, payload, options, (result, error) =>
            {
                if (error != null) answer.TrySetException(error);
                else answer.TrySetResult(result ?? JValue.CreateNull());
            });
            using (cancel.Register(() => answer.TrySetCanceled(cancel)))
            {
                try
                {
                    return await answer.Task.ConfigureAwait(false);
                }
                catch (OperationCanceledException)
                {
                    connector.Forget(id);
                    throw;
                }
            }
        }

        /// <summary>Measures the round trip to the server now, and takes it into <see cref="Latency"/> and <see cref="ServerTime"/>.</summary>
        /// <param name="cancel">Ends the waiting.</param>
        public async Task<TimeSpan> PingAsync(CancellationToken cancel = default)
        {
            cancel.ThrowIfCancellationRequested();
            var answer = new TaskCompletionSource<TimeSpan>(TaskCreationOptions.RunContinuationsAsynchronously);
            connector.Ping((roundTrip, error) =>
            {
                if (error != null) answer.TrySetException(error);
                else answer.TrySetResult(roundTrip);
            });
            using (cancel.Register(() => answer.TrySetCanceled(cancel)))
            {
                return await answer.Task.ConfigureAwait(false);
            }
        }

        /// <summary>Gives up the player's place in the lobby, and closes the room.</summary>
        /// <param name="cancel">Ends the call to the server; the room closes all the same.</param>
        public async Task LeaveAsync(CancellationToken cancel = default)
        {
            // The server ends the connection of who has left: that is no kick, and no loss.
            connector.Leaving();
            try
            {
                var keys = new[] { LobbyIds.KeyOf(Id) };
                await client.RpcAsync("leave_lobby", null, keys, cancel).ConfigureAwait(false);
            }
            catch (GodraException e) when (e.Code == "not_found")
            {
                // The lobby is no more: so nobody has a place in it.
            }
            finally
            {
                Close();
            }
        }

        /// <summary>Closes the connection for good; the player's place is kept for as long as the server keeps it. No event follows.</summary>
        public void Close()
        {
            isClosed = true;
            connector.Close(null);
        }

        /// <summary>
        /// Tells that the network or the game is back: a connection is checked, and a lost one made again, at once. Call it after a
        /// pause of the whole app.
        /// </summary>
        public void CheckNow() => connector.CheckNow();

        internal void SetOnline(bool isOnline) => connector.SetOnline(isOnline);

        internal void Start() => connector.Start();

        internal void EndSession(GodraException cause) => connector.Close(cause);
    }
}
