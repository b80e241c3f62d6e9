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
        private readonly Resync resync;
        private readonly RoomStats stats;
        private readonly IRoomListener room;
        private readonly Action<Welcome?, GodraException?> welcomed;
        private readonly List<RoomEvent> events = new List<RoomEvent>();
        private bool isOpen;

        public Inbox(
            Position position,
            Pending pending,
            Outbox outbox,
            Resync resync,
            RoomStats stats,
            IRoomListener room,
            Action<Welcome?, GodraException?> welcomed)
        {
            this.position = position;
            this.pending = pending;
            this.outbox = outbox;
            this.resync = resync;
            this.stats = stats;
            this.room = room;
            this.welcomed = welcomed;
        }

        /// <summary>The next message is the first of a new connection.</summary>
        public void Restart() => isOpen = false;

        public void Read(string text)
        {
            if (!Json.TryParse(text, out var message, out var why)) Unreadable($"The server sent a message that {why}");
            else One(message!, isInBatch: false);
            Deliver();
        }

        /// <summary>Something could not be read that may have been an event: only the whole state brings certainty.</summary>
        public void Unreadable(string why)
        {
            Malformed(why);
            if (!isOpen) return;
            position.Doubt();
            resync.Want();
        }

        // What came before it in the same message comes before it at the game, too.
        private void Malformed(string why)
        {
            Deliver();
            stats.BadMessages += 1;
            room.OnError(new GodraException("bad_message", why));
        }

        private void Deliver()
        {
            if (events.Count == 0) return;
            stats.Events += events.Count;
            room.OnEvents(events.ToArray());
            events.Clear();
        }

        private void One(JToken token, bool isInBatch)
        {
            if (!(token is JObject message)) Unreadable("The server sent a message that is not an object");
            else if (!(Json.Text(message["type"]) is string type)) Unreadable("The server sent a message without a type");
            else if (type == "batch") Batch(message, isInBatch);
            else if (type == "error" && !isOpen) Refused(message["payload"]);
            else if (type == "reply" || type == "error") Settle(message, type == "error");
            else if (type == "welcome") Welcome(message, isInBatch);
            else if (isOpen) Event(message, type);
            else Malformed($"The server sent {type} before its welcome");
        }

        private void Batch(JObject message, bool isInBatch)
        {
            if (isInBatch) Unreadable("The server sent a batch in a batch");
            else if (!(message["events"] is JArray batch)) Unreadable("The server sent a batch without a list of events");
            else foreach (var one in batch) One(one, isInBatch: true);
        }

        private void Refused(JToken? payload)
        {
            if (Json.Text((payload as JObject)?["code"]) == null) Malformed("The server sent an error without a code before its welcome");
            else welcomed(null, Errors.OfRefusal((JObject)payload!));
        }

        private void Welcome(JObject message, bool isInBatch)
        {
            if (isOpen || isInBatch)
            {
                Malformed(isOpen ? "The server sent a second welcome" : "The server sent a welcome in a batch");
                return;
            }
            var welcome = GodotSDK.Welcome.Read(message["payload"], out var why);
            if (welcome == null)
            {
                Malformed(why);
                return;
            }
            isOpen = true;
            welcomed(welcome, null);
        }

        private void Event(JObject message, string type)
        {
            var seq = Json.Whole(message["seq"]);
            if (seq == null && !Json.IsAbsent(message["seq"]))
            {
                Unreadable($"The server sent {type} with a seq that is not a whole number");
                return;
            }
            if (type == "snapshot")
            {
                if (seq == null || !(Json.Text(message["epoch"]) is string epoch))
                {
                    Unreadable("The server sent a snapshot without its epoch or seq");
                    return;
                }
                Snapshot(epoch, seq.Value);
            }
            else if (!position.Event(seq)) return;
            events.Add(new RoomEvent(type, message["payload"], seq));
        }

        private void Snapshot(string epoch, long seq)
        {
            position.Snapshot(epoch, seq);
            outbox.EpochIs(epoch);
            resync.Done();
        }

        private void Settle(JObject message, bool isError)
        {
            var (id, n) = (Json.Whole(message["id"]), Json.Whole(message["n"]));
            if (!Json.IsWholeOrAbsent(message["id"]) || !Json.IsWholeOrAbsent(message["n"]) || (!isError && Json.IsAbsent(message["id"])))
            {
                Malformed("The server sent an answer with an id or n that is not a whole number");
                return;
            }
            var error = isError ? Errors.OfPayload(message["payload"]) : null;
            // An error that says nothing still ends the request whose it is.
            if (error?.Code == "bad_message" && id == null && n == null)
            {
                Malformed(error.Message);
                return;
            }
            if (outbox.Settle(id, n, message["result"], error)) return;
            if (pending.Settle(id, message["result"], error) == null && error != null) room.OnError(error);
        }
    }
}
