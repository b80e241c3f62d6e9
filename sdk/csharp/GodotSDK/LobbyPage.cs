#nullable enable
using System;
using System.Collections.Generic;
using System.Linq;
using Newtonsoft.Json.Linq;

namespace GodotSDK
{
    /// <summary>A page of lobbies.</summary>
    public sealed class LobbyPage
    {
        private LobbyPage(IReadOnlyList<LobbyInfo> lobbies, string? cursor)
        {
            Lobbies = lobbies;
            Cursor = cursor;
        }

        /// <summary>The lobbies, the newest first.</summary>
        public IReadOnlyList<LobbyInfo> Lobbies { get; }

        /// <summary>For the next page; null at the end.</summary>
        public string? Cursor { get; }

        internal static LobbyPage Read(JToken result)
        {
            // Lua cannot tell an empty list from an empty object, so the script answers with JSON that it wrote itself.
            var page = Json.Text(result) is string text && Json.TryParse(text, out var parsed, out _) ? parsed : result;
            if (!((page as JObject)?["lobbies"] is JArray lobbies))
            {
                throw new GodraException("bad_response", "The answer has no list of lobbies");
            }
            return new LobbyPage(lobbies.OfType<JObject>().Select(one => new LobbyInfo(one)).ToList(), Json.Text(page!["cursor"]));
        }
    }

    /// <summary>A lobby in the list.</summary>
    public sealed class LobbyInfo
    {
        internal LobbyInfo(JObject fields)
        {
            Id = Json.Text(fields["id"]) ?? "";
            Members = (int)Math.Min(Json.Whole(fields["members"]) ?? 0, int.MaxValue);
            Capacity = (int)Math.Min(Json.Whole(fields["capacity"]) ?? 0, int.MaxValue);
            Raw = fields;
        }

        /// <summary><c>game:</c> and the id.</summary>
        public string Id { get; }

        /// <summary>How many members it has.</summary>
        public int Members { get; }

        /// <summary>How many it takes.</summary>
        public int Capacity { get; }

        /// <summary>All fields.</summary>
        public JObject Raw { get; }
    }
}
