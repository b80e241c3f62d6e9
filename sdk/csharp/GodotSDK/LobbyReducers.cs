#nullable enable
using System.Collections.Generic;
using Newtonsoft.Json.Linq;

namespace GodotSDK
{
    /// <summary>
    /// Reducers for the scripts that come with the server: with them <c>room.State["players"]</c> and <c>room.State["state"]</c> are
    /// always right. Events that are not shaped as those scripts make them change nothing.
    /// </summary>
    public static class LobbyReducers
    {
        /// <summary>All of them, by the type of their event.</summary>
        public static IReadOnlyDictionary<string, Reducer> All { get; } = new Dictionary<string, Reducer>
        {
            ["player_joined"] = Joined,
            ["player_left"] = Left,
            ["player_moved"] = Moved,
            ["player_away"] = (state, e) => Mark(state, e, isAway: true),
            ["player_back"] = (state, e) => Mark(state, e, isAway: false),
            ["player_upgraded"] = Upgraded,
            ["state"] = Merged,
        };

        private static JToken Joined(JToken state, RoomEvent e)
        {
            if (!(Players(state) is JObject players) || !(UserId(e) is string id)) return state;
            var player = ObjectAt(players, id);
            player["user_id"] = id;
            player["username"] = e.Payload["username"];
            player.Remove("away");
            return state;
        }

        private static JToken Left(JToken state, RoomEvent e)
        {
            if (UserId(e) is string id) Players(state)?.Remove(id);
            return state;
        }

        private static JToken Moved(JToken state, RoomEvent e)
        {
            if (!(PlayerOf(state, e) is JObject player)) return state;
            player["x"] = e.Payload["x"];
            player["y"] = e.Payload["y"];
            return state;
        }

        private static JToken Mark(JToken state, RoomEvent e, bool isAway)
        {
            if (!(PlayerOf(state, e) is JObject player)) return state;
            if (isAway) player["away"] = true;
            else player.Remove("away");
            return state;
        }

        // A player_left of the guest came just before, and took the position with it. The next move brings it again.
        private static JToken Upgraded(JToken state, RoomEvent e)
        {
            if (Json.Text((e.Payload as JObject)?["old_id"]) is string old) Players(state)?.Remove(old);
            return Joined(state, e);
        }

        // What update_state passes on: the action "set" merges fields, and null removes one.
        private static JToken Merged(JToken state, RoomEvent e)
        {
            var isSet = Json.Text((e.Payload as JObject)?["action"]) == "set";
            if (!isSet || !(state is JObject room) || !(e.Payload["payload"] is JObject changes)) return state;
            var fields = ObjectAt(room, "state");
            foreach (var change in changes.Properties())
            {
                if (change.Value.Type == JTokenType.Null) fields.Remove(change.Name);
                else fields[change.Name] = change.Value.DeepClone();
            }
            return room;
        }

        // Lua cannot tell an empty list from an empty object: without players it may be either.
        private static JObject? Players(JToken state) => state is JObject room ? ObjectAt(room, "players") : null;

        private static JObject ObjectAt(JObject parent, string name)
        {
            if (!(parent[name] is JObject)) parent[name] = new JObject();
            return (JObject)parent[name]!;
        }

        private static JObject? PlayerOf(JToken state, RoomEvent e) => UserId(e) is string id ? Players(state)?[id] as JObject : null;

        private static string? UserId(RoomEvent e) => Json.Text((e.Payload as JObject)?["user_id"]);
    }
}
