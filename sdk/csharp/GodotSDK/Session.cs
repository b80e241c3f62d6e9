#nullable enable
using System;
using Newtonsoft.Json.Linq;

namespace GodotSDK
{
    /// <summary>A login: whose it is, and its tokens. Keep it as safe as a password.</summary>
    public sealed class Session
    {
        private Session(JObject fields, string token, long expiresInS, long expiresAtMs)
        {
            Token = token;
            RefreshToken = Json.Text(fields["refresh_token"]);
            UserId = Json.Text(fields["user_id"]) ?? "";
            Username = Json.Text(fields["username"]) ?? "";
            Role = Json.Text(fields["role"]) ?? "";
            ExpiresInS = expiresInS;
            ExpiresAtMs = expiresAtMs;
        }

        /// <summary>The access token.</summary>
        public string Token { get; }

        /// <summary>Good for one refresh; the SDK uses it by itself.</summary>
        public string? RefreshToken { get; }

        /// <summary>The user's id: a number as text for an account, <c>guest:…</c> for a guest.</summary>
        public string UserId { get; }

        /// <summary>The user's name.</summary>
        public string Username { get; }

        /// <summary>guest, player or manager.</summary>
        public string Role { get; }

        /// <summary>When the access token ends, by the device's clock.</summary>
        public DateTimeOffset ExpiresAt => DateTimeOffset.FromUnixTimeMilliseconds(ExpiresAtMs);

        internal long ExpiresInS { get; }

        internal long ExpiresAtMs { get; }

        /// <summary>What a store keeps.</summary>
        public string ToJson() => Payload.Of(
            ("token", Token),
            ("refresh_token", RefreshToken),
            ("user_id", UserId),
            ("username", Username),
            ("role", Role),
            ("expires_in", ExpiresInS),
            ("expires_at", ExpiresAtMs)).Text;

        /// <summary>What <see cref="ToJson"/> gave; null if it is anything else.</summary>
        /// <param name="json">The text.</param>
        public static Session? FromJson(string json)
        {
            if (!Json.TryParse(json, out var kept, out _) || !(kept is JObject fields)) return null;
            var token = Json.Text(fields["token"]);
            if (string.IsNullOrEmpty(token)) return null;
            var expiresAt = Math.Min(Json.Whole(fields["expires_at"]) ?? 0, MaxUnixMs);
            return new Session(fields, token!, Json.Whole(fields["expires_in"]) ?? 0, expiresAt);
        }

        internal static Session OfLogin(JObject login, long nowMs)
        {
            var token = TextOf(login, "token");
            TextOf(login, "user_id");
            if (!Json.IsAbsent(login["refresh_token"])) TextOf(login, "refresh_token");
            if (!Json.IsAbsent(login["expires_in"]) && Json.Whole(login["expires_in"]) == null) throw Wrong("expires_in");
            var expiresInS = Math.Min(Json.Whole(login["expires_in"]) ?? 0, MaxExpiresInS);
            return new Session(login, token, expiresInS, nowMs + expiresInS * 1000);
        }

        /// <summary>The same under another name.</summary>
        internal Session Renamed(string username)
        {
            Json.TryParse(ToJson(), out var kept, out _);
            var fields = (JObject)kept!;
            fields["username"] = username;
            return new Session(fields, Token, ExpiresInS, ExpiresAtMs);
        }

        private static string TextOf(JObject login, string name) =>
            Json.Text(login[name]) is string text && text != "" ? text : throw Wrong(name);

        private static GodraException Wrong(string name) => new GodraException("bad_response", $"The login's answer has no {name} that makes sense");

        private const long MaxExpiresInS = 10L * 365 * 24 * 3600;

        /// <summary>The year 9999: what DateTimeOffset can say.</summary>
        private const long MaxUnixMs = 253_402_300_799_999;
    }

    /// <summary>Whose token it is.</summary>
    public sealed class Account
    {
        internal Account(JObject fields)
        {
            UserId = Json.Text(fields["user_id"]) ?? "";
            Username = Json.Text(fields["username"]) ?? "";
            Role = Json.Text(fields["role"]) ?? "";
        }

        /// <summary>The user's id.</summary>
        public string UserId { get; }

        /// <summary>The user's name.</summary>
        public string Username { get; }

        /// <summary>guest, player or manager.</summary>
        public string Role { get; }
    }
}
