#if GODOT
#nullable enable
using System;
using System.Threading.Tasks;
using Godot;

namespace GodotSDK
{
    /// <summary>
    /// A client as a node: add it to a scene, or make it an autoload. Handlers and signals run on the main thread, once a frame, also
    /// while the game is paused.
    /// </summary>
    public partial class GodraNode : Node
    {
        /// <summary>Joined, or joined again.</summary>
        /// <param name="recovered">Whether the state was kept.</param>
        [Signal]
        public delegate void ConnectedEventHandler(bool recovered);

        /// <summary>A further attempt will be made.</summary>
        /// <param name="attempt">From 1.</param>
        /// <param name="delay">Seconds from now.</param>
        [Signal]
        public delegate void ReconnectingEventHandler(int attempt, double delay);

        /// <summary>A connection was lost, or all is over.</summary>
        /// <param name="code">The close code.</param>
        /// <param name="reason">What the server said.</param>
        /// <param name="willReconnect">False comes once, and is the end.</param>
        [Signal]
        public delegate void DisconnectedEventHandler(int code, string reason, bool willReconnect);

        /// <summary>Something happened in the room.</summary>
        /// <param name="type">What the script named it.</param>
        /// <param name="payload">JSON text; C# has it parsed in <see cref="Room.Event"/>.</param>
        [Signal]
        public delegate void EventReceivedEventHandler(string type, string payload);

        /// <summary>The server's address.</summary>
        [Export]
        public string ServerUrl { get; set; } = "http://localhost:8080";

        /// <summary>The lobby to join; without one a new one is made.</summary>
        [Export]
        public string LobbyId { get; set; } = "";

        /// <summary>Whether to log in and join as soon as the node is there.</summary>
        [Export]
        public bool AutoJoin { get; set; } = true;

        /// <summary>The client; null before the node is in the tree.</summary>
        public GodotClient? Client { get; private set; }

        /// <summary>The room; null before it is joined.</summary>
        public Room? Room { get; private set; }

        /// <inheritdoc/>
        public override void _Ready()
        {
            ProcessMode = ProcessModeEnum.Always;
            Client = new GodotClient(ServerUrl, new GodotClientOptions
            {
                Dispatch = Dispatch.Manual,
                SessionStore = new FileSessionStore(ProjectSettings.GlobalizePath("user://godra_session.json")),
                Reducers = LobbyReducers.All,
                Log = Write,
            });
            if (AutoJoin) _ = StartAsync();
        }

        /// <summary>Logs in with the kept session, or as a guest, and joins the lobby.</summary>
        public async Task<Room> JoinAsync()
        {
            var client = Client ?? throw new InvalidOperationException("Add the node to the tree first");
            await client.Auth.EnsureAsync();
            Room = LobbyId == "" ? await client.CreateRoomAsync(prepare: Watch) : await client.JoinAsync(LobbyId, Watch);
            LobbyId = Room.Id;
            return Room;
        }

        /// <inheritdoc/>
        public override void _Process(double delta) => Client?.Poll();

        /// <inheritdoc/>
        public override void _Notification(int what)
        {
            if (what == NotificationApplicationResumed) Client?.CheckNow();
        }

        /// <inheritdoc/>
        public override void _ExitTree()
        {
            Client?.Dispose();
            Client = null;
            Room = null;
        }

        private async Task StartAsync()
        {
            try
            {
                await JoinAsync();
            }
            catch (Exception e)
            {
                GD.PushError($"Godra: the lobby was not joined: {e.Message}");
            }
        }

        private void Watch(Room room)
        {
            room.Connected += welcome => EmitSignal("Connected", welcome.Recovered);
            room.Reconnecting += args => EmitSignal("Reconnecting", args.Attempt, args.Delay.TotalSeconds);
            room.Disconnected += args => EmitSignal("Disconnected", args.Code, args.Reason, args.WillReconnect);
            room.Event += e => EmitSignal("EventReceived", e.Type, e.Payload.ToString(Newtonsoft.Json.Formatting.None));
        }

        private static void Write(LogLevel level, string line)
        {
            if (level == LogLevel.Error) GD.PushError($"Godra: {line}");
            else if (level == LogLevel.Warning) GD.PushWarning($"Godra: {line}");
        }
    }
}
#endif
