#nullable enable
using System;
using Newtonsoft.Json.Linq;

namespace GodotSDK
{
    /// <summary>Something that happened in a room, as a script published it.</summary>
    public sealed class RoomEvent
    {
        internal RoomEvent(string type, JToken? payload, long? seq)
        {
            Type = type;
            Payload = payload ?? JValue.CreateNull();
            Seq = seq;
        }

        /// <summary>What the script named it; <c>snapshot</c> for the whole state.</summary>
        public string Type { get; }

        /// <summary>What the script put in. It is the room's own: clone what you keep and change.</summary>
        public JToken Payload { get; }

        /// <summary>Numbers the room's events; it rises from one to the next. What a player does not see was for others.</summary>
        public long? Seq { get; }
    }

    /// <summary>The server's first word on a connection.</summary>
    public sealed class Welcome
    {
        private const long DefaultIntervalMs = 50;
        private const long MaxIntervalMs = 60_000;

        private Welcome(JObject fields)
        {
            Raw = fields;
            UserId = Json.Text(fields["user_id"]) ?? "";
            Username = Json.Text(fields["username"]) ?? "";
            Role = Json.Text(fields["role"]) ?? "";
            LobbyId = Json.Text(fields["game_id"]) ?? "";
            Epoch = Json.Text(fields["epoch"]);
            Seq = Json.Whole(fields["seq"]);
            N = Json.Whole(fields["n"]);
            Recovered = fields["recovered"]?.Type == JTokenType.Boolean && (bool)fields["recovered"]!;
            State = fields["state"] ?? JValue.CreateNull();
            NowMs = Json.Whole(fields["now"]);
            SyncInterval = TimeSpan.FromMilliseconds(Math.Min(Json.Whole(fields["sync_interval_ms"]) ?? DefaultIntervalMs, MaxIntervalMs));
        }

        /// <summary>Who the player is here.</summary>
        public string UserId { get; }

        /// <summary>The player's name.</summary>
        public string Username { get; }

        /// <summary>guest, player or manager.</summary>
        public string Role { get; }

        /// <summary>The lobby's id, without <c>game:</c>.</summary>
        public string LobbyId { get; }

        /// <summary>Changes when the server has lost the room's history.</summary>
        public string? Epoch { get; }

        /// <summary>The last event that <see cref="State"/> holds.</summary>
        public long? Seq { get; }

        /// <summary>The last of the player's numbered inputs that ran; null from a server that takes none.</summary>
        public long? N { get; }

        /// <summary>Nothing was lost: <see cref="State"/> is null, the room's state is kept, and the missed events follow.</summary>
        public bool Recovered { get; }

        /// <summary>The room, as its script describes it.</summary>
        public JToken State { get; }

        /// <summary>Events leave the server at most this often.</summary>
        public TimeSpan SyncInterval { get; }

        /// <summary>The server's clock when it said this, in milliseconds since 1970.</summary>
        internal long? NowMs { get; }

        /// <summary>All fields, also those that this SDK does not know.</summary>
        public JObject Raw { get; }

        /// <summary>Null, and why, if a field is not what it should be.</summary>
        internal static Welcome? Read(JToken? payload, out string why)
        {
            why = "The server's welcome is not an object";
            if (!(payload is JObject fields)) return null;
            foreach (var name in new[] { "seq", "n" })
            {
                why = $"The server's welcome has {name} that is not a whole number";
                if (!Json.IsAbsent(fields[name]) && Json.Whole(fields[name]) == null) return null;
            }
            foreach (var name in new[] { "user_id", "username", "role", "game_id", "epoch" })
            {
                why = $"The server's welcome has {name} that is not a text";
                if (!Json.IsAbsent(fields[name]) && Json.Text(fields[name]) == null) return null;
            }
            why = "The server's welcome has recovered that is neither true nor false";
            return !Json.IsAbsent(fields["recovered"]) && fields["recovered"]!.Type != JTokenType.Boolean ? null : new Welcome(fields);
        }
    }

    /// <summary>A further attempt to come back will be made.</summary>
    public sealed class ReconnectingArgs
    {
        internal ReconnectingArgs(int attempt, TimeSpan delay)
        {
            Attempt = attempt;
            Delay = delay;
        }

        /// <summary>From 1, since the last good connection.</summary>
        public int Attempt { get; }

        /// <summary>So long from now.</summary>
        public TimeSpan Delay { get; }
    }

    /// <summary>A connection was lost, or all is over.</summary>
    public sealed class DisconnectedArgs
    {
        internal DisconnectedArgs(int code, string reason, bool willReconnect, GodraException? cause)
        {
            Code = code;
            Reason = reason;
            WillReconnect = willReconnect;
            Cause = cause;
        }

        /// <summary>The WebSocket's close code; 1006 for a connection that broke.</summary>
        public int Code { get; }

        /// <summary>What the server said.</summary>
        public string Reason { get; }

        /// <summary>Whether the SDK tries to come back. False comes exactly once, and is the end.</summary>
        public bool WillReconnect { get; }

        /// <summary>Why it ended; null if the game closed the room, or while the SDK tries to come back.</summary>
        public GodraException? Cause { get; }
    }
}
