#if UNITY_5_3_OR_NEWER
#nullable enable
using System;
using System.IO;
using System.Threading.Tasks;
using UnityEngine;

namespace GodotSDK
{
    /// <summary>
    /// A client as a component. Handlers run on the main thread, once a frame. Set handlers in <see cref="Preparing"/>, so that no
    /// event is missed.
    /// </summary>
    public class GodraBehaviour : MonoBehaviour
    {
        [SerializeField]
        private string serverUrl = "http://localhost:8080";

        [SerializeField]
        private string lobbyId = "";

        [SerializeField]
        private bool autoJoin = true;

        /// <summary>The room is about to be joined.</summary>
        public event Action<Room>? Preparing;

        /// <summary>The client; null before <c>Awake</c>.</summary>
        public GodotClient? Client { get; private set; }

        /// <summary>The room; null before it is joined.</summary>
        public Room? Room { get; private set; }

        /// <summary>Logs in with the kept session, or as a guest, and joins the lobby, or makes one.</summary>
        public async Task<Room> JoinAsync()
        {
            var client = Client ?? throw new InvalidOperationException("The component is not awake");
            await client.Auth.EnsureAsync();
            Action<Room> prepare = room => Preparing?.Invoke(room);
            Room = lobbyId == "" ? await client.CreateRoomAsync(null, prepare) : await client.JoinAsync(lobbyId, prepare);
            lobbyId = Room.Id;
            return Room;
        }

        private void Awake() => Client = new GodotClient(serverUrl, new GodotClientOptions
        {
            Dispatch = Dispatch.Manual,
            SessionStore = new FileSessionStore(Path.Combine(Application.persistentDataPath, "godra_session.json")),
            Reducers = LobbyReducers.All,
            Log = Write,
        });

        private void Start()
        {
            if (autoJoin) _ = StartAsync();
        }

        private void Update() => Client?.Poll();

        private void OnApplicationPause(bool isPaused)
        {
            if (!isPaused) Client?.CheckNow();
        }

        private void OnDestroy()
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
                Debug.LogException(e, this);
            }
        }

        private static void Write(LogLevel level, string line)
        {
            if (level == LogLevel.Error) Debug.LogError($"Godra: {line}");
            else if (level == LogLevel.Warning) Debug.LogWarning($"Godra: {line}");
        }
    }
}
#endif
