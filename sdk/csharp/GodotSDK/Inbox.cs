#nullable enable
using System;
using System.Collections.Generic;
using Newtonsoft.Json.Linq;

namespace GodotSDK
{
    /// <summary>What a room's connection tells the room.</summary>
    internal interface IRoomListener
    {
        void OnConnected(Welcome welcome);

        void OnEvents(IReadOnlyList<RoomEvent> events);

        void OnReconnecting(ReconnectingArgs args);

        void OnDisconnected(DisconnectedArgs args);

        void OnError(GodraException error);
    }

    /// <summary>Reads the messages of the server, and hands each to whom it is for. Called under the connector's lock.</summary>
    internal sealed class Inbox
    {
        private readonly Position position;
        private readonly Pending pending;
        private readonly Outbox outbox;
        private readonly IRoomListener room;
        private readonly Action<Welcome?, GodraException?> welcomed;
        private readonly List<RoomEvent> events = new List<RoomEvent>();
        private bool isOpen;

        public Inbox(Position position, Pending pending, Outbox outbox, IRoomListener room, Action<Welcome?, GodraException?> welcomed)
        {
            this.position = position;
            this.pending = pending;
            this.outbox = outbox;
            this.room = room;
            this.welcomed = welcomed;
        }

        /// <summary>The next message is the first of a new connection.</summary>
        public void Restart() => isOpen = false;

        public void Read(string text)
        {
            if (!Json.TryParse(text, out var message, out var why)) Malformed($"The server sent a message that {why}");
            else One(message!, isInBatch: false);
            if (events.Count == 0) return;
            room.OnEvents(events.ToArray());
            events.Clear();
        }

        public void Malformed(string why)
        {
            position.Doubt();
            room.OnError(new GodraException("bad_message", why));
        }

        private void One(JToken token, bool isInBatch)
        {
            if (!(token is JObject message)) Malformed("The server sent a message that is not an object");
            else if (!(Json.Text(message["type"]) is string type)) Malformed("The server sent a message without a type");
            else if (type == "batch") Batch(message, isInBatch);
            else if (type == "error" && !isOpen) welcomed(null, Errors.OfRefusal(message["payload"]));
            else if (type == "reply" || type == "error") Settle(message, type == "error");
            else if (type == "welcome") Welcome(message);
            else if (isOpen) Event(message, type);
            else Malformed($"The server sent {type} before its welcome");
        }

        private void Batch(JObject message, bool isInBatch)
        {
            if (isInBatch) Malformed("The server sent a batch in a batch");
            else if (!(message["events"] is JArray batch)) Malformed("The server sent a batch without a list of events");
            else foreach (var one in batch) One(one, isInBatch: true);
        }

        private void Welcome(JObject message)
        {
            if (isOpen)
            {
                Malformed("The server sent a second welcome");
                return;
            }
            var welcome = GodotSDK.Welcome.Read(message["payload"], out var why);
            isOpen = welcome != null;
            welcomed(welcome, welcome == null ? new GodraException("bad_message", why) : null);
        }

        private void Event(JObject message, string type)
        {
            var seq = Json.Whole(message["seq"]);
            if (seq == null && !Json.IsAbsent(message["seq"]))
            {
                Malformed($"The server sent {type} with a seq that is not a whole number");
                return;
            }
            if (type == "snapshot") Snapshot(Json.Text(message["epoch"]), seq);
            else if (!position.Event(seq)) return;
            events.Add(new RoomEvent(type, message["payload"], seq));
        }

        private void Snapshot(string? epoch, long? seq)
        {
            position.Snapshot(epoch, seq);
            if (epoch != null) outbox.EpochIs(epoch);
        }

        private void Settle(JObject message, bool isError)
        {
            var (id, n) = (Json.Whole(message["id"]), Json.Whole(message["n"]));
            if ((id == null && !Json.IsAbsent(message["id"])) || (n == null && !Json.IsAbsent(message["n"])))
            {
                Malformed("The server sent an answer with an id or n that is not a whole number");
                return;
            }
            var error = isError ? Errors.OfPayload(message["payload"]) : null;
            if (outbox.Settle(id, n, message["result"], error)) return;
            if (pending.Settle(id, message["result"], error) == null && error != null) room.OnError(error);
        }
    }
}
