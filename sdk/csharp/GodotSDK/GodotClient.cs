#nullable enable
using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Newtonsoft.Json.Linq;

namespace GodotSDK
{
    /// <summary>A server, and what one player does there: the one object that games make.</summary>
    public sealed class GodotClient : IDisposable, IAsyncDisposable
    {
        private static readonly TimeSpan CloseLimit = TimeSpan.FromSeconds(2);

        private readonly GodotClientOptions options;
        private readonly Uri baseAddress;
        private readonly Api api;
        private readonly Tokens tokens;
        private readonly Log log;
        private readonly Dispatcher dispatcher;
        private readonly CancellationTokenSource life = new CancellationTokenSource();
        private readonly Dictionary<string, Room> rooms = new Dictionary<string, Room>();
        private bool isDisposed;

        /// <summary>Makes a client; nothing is sent before the first call.</summary>
        /// <param name="baseUrl">The server's address, such as <c>http://localhost:8080</c>; a path in it is kept.</param>
        /// <param name="options">Defaults fit most games.</param>
        public GodotClient(string baseUrl, GodotClientOptions? options = null)
        {
            this.options = options ?? new GodotClientOptions();
            baseAddress = ParseBase(baseUrl);
            if (!LobbyIds.IsGame(this.options.Game))
            {
                throw new ArgumentException("A game's name is 1 to 32 of a-z, 0-9, _ and -, a letter first", nameof(options));
            }
            log = new Log(this.options.Log);
            dispatcher = new Dispatcher(this.options.Dispatch, this.options.MaxWaitingMessages, log);
            api = new Api(baseAddress, this.options.Http ?? new Http(), this.options.RequestTimeout);
            tokens = new Tokens(api, this.options.SessionStore ?? new MemorySessionStore(), this.options, log, life.Token) { Changed = OnSession };
            Auth = new GodotAuth(api, tokens, this.options.Game, () => Rooms().Select(room => room.Id).ToList());
        }

        /// <summary>There is another session, or none any more.</summary>
        public event Action<Session?>? SessionChanged;

        /// <summary>The login is over, and not by the game's wish: show the login screen.</summary>
        public event Action<GodraException>? SessionEnded;

        /// <summary>Logins.</summary>
        public GodotAuth Auth { get; }

        /// <summary>The login; null without one.</summary>
        public Session? Session => tokens.Session;

        /// <summary>
        /// Joins a lobby, and gives its room when the server has sent its welcome. A lobby that is joined already has one room.
        /// </summary>
        /// <param name="lobbyId">The lobby's id, with or without <c>game:</c>.</param>
        /// <param name="prepare">Sets handlers before the connection is made, so that no event is missed.</param>
        /// <param name="cancel">Gives up.</param>
        /// <param name="options">
        /// What the room's <c>on_connect</c> gets to know at each connection: an object of at most 1 KiB of JSON. Those of the first join count.
        /// </param>
        public async Task<Room> JoinAsync(
            string lobbyId, Action<Room>? prepare = null, CancellationToken cancel = default, Payload? options = null)
        {
            cancel.ThrowIfCancellationRequested();
            var room = RoomOf(LobbyIds.IdOf(lobbyId, this.options.Game), JoinOptions.TextOf(options));
            try
            {
                prepare?.Invoke(room);
                room.Start();
                await Waiting.For(room.Joined, cancel).ConfigureAwait(false);
                return room;
            }
            finally
            {
                // Who gives up leaves the room to those who still wait for it.
                if (WaitersAfter(room) == 0 && room.Connection != RoomConnection.Joined && room.Welcome == null) room.Close();
                if (room.Connection == RoomConnection.Left) Forget(room);
            }
        }

        /// <summary>Makes a lobby by the stock script, and joins it.</summary>
        /// <param name="settings">Its size.</param>
        /// <param name="prepare">Sets handlers before the connection is made.</param>
        /// <param name="cancel">Gives up.</param>
        /// <param name="options">As for <see cref="JoinAsync"/>.</param>
        public async Task<Room> CreateRoomAsync(
            RoomSettings? settings = null, Action<Room>? prepare = null, CancellationToken cancel = default, Payload? options = null)
        {
            var args = new List<Payload> { settings?.Capacity ?? new RoomSettings().Capacity };
            if (settings?.Settings != null) args.Add(settings.Settings);
            var key = await RpcAsync("create_lobby", args, null, cancel).ConfigureAwait(false);
            var id = Json.Text(key) ?? throw new GodraException("bad_response", "The answer of create_lobby is not an id");
            return await JoinAsync(id, prepare, cancel, options).ConfigureAwait(false);
        }

        /// <summary>A page of the lobbies, the newest first.</summary>
        /// <param name="limit">How many, up to 100.</param>
        /// <param name="cursor">That of the page before.</param>
        /// <param name="cancel">Ends it.</param>
        public async Task<LobbyPage> ListRoomsAsync(int limit = 20, string? cursor = null, CancellationToken cancel = default)
        {
            var args = new List<Payload> { limit };
            if (cursor != null) args.Add(cursor);
            return LobbyPage.Read(await RpcAsync("list_lobbies", args, null, cancel).ConfigureAwait(false));
        }

        /// <summary>Runs a script and gives its result.</summary>
        /// <param name="script">Its name.</param>
        /// <param name="args">Its arguments.</param>
        /// <param name="keys">Which room's data it gets, as <c>game:ID</c>.</param>
        /// <param name="cancel">Ends the waiting; the script may run all the same.</param>
        public async Task<JToken> RpcAsync(
            string script, IReadOnlyList<Payload>? args = null, IReadOnlyList<string>? keys = null, CancellationToken cancel = default)
        {
            var list = (args ?? Array.Empty<Payload>()).Cast<object?>();
            var members = new List<(string, object?)> { ("script", script), ("args", list) };
            if (keys != null) members.Add(("keys", keys));
            if (options.Game != "") members.Add(("game", options.Game));
            var body = Payload.Of(members.ToArray());
            try
            {
                var answer = await tokens.WithTokenAsync(token => api.PostAsync("api/rpc", body, token, cancel), cancel).ConfigureAwait(false);
                return answer["result"] ?? throw new GodraException("bad_response", "The answer to an RPC has no result");
            }
            catch (GodraException e)
            {
                e.Outcome ??= Errors.OutcomeOfCall(e);
                throw;
            }
        }

        /// <summary>With <see cref="Dispatch.Manual"/>: runs the handlers of what came, on this thread. Gives how much that was.</summary>
        public int Poll() => dispatcher.Poll();

        /// <summary>Tells all rooms that the network or the game is back, see <see cref="Room.CheckNow"/>.</summary>
        public void CheckNow()
        {
            foreach (var room in Rooms()) room.CheckNow();
        }

        /// <summary>
        /// Tells all rooms whether the device has a network: without one they make no attempts to come back, and with it again they try
        /// at once. For platforms that know it, such as Unity's <c>Application.internetReachability</c>.
        /// </summary>
        /// <param name="isOnline">Whether there is a network.</param>
        public void SetOnline(bool isOnline)
        {
            foreach (var room in Rooms()) room.SetOnline(isOnline);
        }

        /// <summary>Closes all rooms. The session stays good, and can be gone on with if it was kept.</summary>
        public void Dispose() => _ = DisposeAsync().AsTask();

        /// <summary>Closes all rooms, and waits for their connections to close, two seconds at most.</summary>
        public async ValueTask DisposeAsync()
        {
            List<Room> left;
            lock (rooms)
            {
                if (isDisposed) return;
                isDisposed = true;
                left = rooms.Values.ToList();
            }
            foreach (var room in left) room.Close();
            var closed = Task.WhenAll(left.Select(room => room.Closing));
            await Task.WhenAny(closed, Task.Delay(CloseLimit)).ConfigureAwait(false);
            life.Cancel();
            api.Dispose();
        }

        internal void Forget(Room room)
        {
            lock (rooms) if (rooms.TryGetValue(room.Id, out var known) && known == room) rooms.Remove(room.Id);
        }

        private Room RoomOf(string id, string joinOptions)
        {
            // Not within the lock, as a room that ends holds its own and wants this one.
            if (Rooms().Find(one => one.Id == id) is Room over && over.Connection == RoomConnection.Left) Forget(over);
            lock (rooms)
            {
                if (isDisposed) throw new ObjectDisposedException(nameof(GodotClient));
                if (!rooms.TryGetValue(id, out var room)) rooms[id] = room = NewRoom(id, joinOptions);
                room.Waiters += 1;
                return room;
            }
        }

        private int WaitersAfter(Room room)
        {
            lock (rooms) return room.Waiters -= 1;
        }

        private List<Room> Rooms()
        {
            lock (rooms) return rooms.Values.ToList();
        }

        private Room NewRoom(string id, string joinOptions)
        {
            Connector Connect(IRoomListener room) =>
                new Connector(options, api, tokens, room, resume => SocketAddress(id, resume, joinOptions), dispatcher.SpaceAsync);
            var room = new Room(this, id, Connect, dispatcher, log);
            foreach (var reducer in options.Reducers ?? new Dictionary<string, Reducer>()) room.Reduce(reducer.Key, reducer.Value);
            return room;
        }

        private Uri SocketAddress(string id, (string Epoch, long Since)? resume, string joinOptions)
        {
            var address = new UriBuilder(new Uri(baseAddress, "ws")) { Scheme = baseAddress.Scheme == "https" ? "wss" : "ws" };
            var since = resume == null ? "" : $"&epoch={Uri.EscapeDataString(resume.Value.Epoch)}&since={resume.Value.Since}";
            var more = joinOptions == "" ? "" : $"&options={Uri.EscapeDataString(joinOptions)}";
            address.Query = $"game_id={id}{since}&refuse=close{more}";
            return address.Uri;
        }

        private void OnSession(Session? session, GodraException? cause)
        {
            dispatcher.Post(() => SessionChanged?.Invoke(session));
            if (cause != null) dispatcher.Post(() => SessionEnded?.Invoke(cause));
            if (session != null) return;
            var why = cause ?? Errors.SessionEnded("The session was ended by the game");
            foreach (var room in Rooms()) room.EndSession(why);
        }

        private static Uri ParseBase(string baseUrl)
        {
            var isAddress = Uri.TryCreate(baseUrl, UriKind.Absolute, out var given);
            var scheme = given?.Scheme switch { "ws" => "http", "wss" => "https", var other => other };
            if (!isAddress || (scheme != "http" && scheme != "https"))
            {
                throw new ArgumentException($"not an http(s) address: {baseUrl}", nameof(baseUrl));
            }
            var path = given!.AbsolutePath.EndsWith("/", StringComparison.Ordinal) ? given.AbsolutePath : given.AbsolutePath + "/";
            return new UriBuilder(scheme, given.Host, given.Port, path).Uri;
        }
    }
}
