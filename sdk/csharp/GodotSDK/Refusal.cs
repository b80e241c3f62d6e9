#nullable enable
using System;
using System.Globalization;
using System.Threading;
using System.Threading.Tasks;
using Newtonsoft.Json.Linq;

namespace GodotSDK
{
    /// <summary>Why a WebSocket did not come to its welcome, and whether trying again helps.</summary>
    internal static class Refusal
    {
        /// <summary>Whether the server, or something in front of it, is there, as it said something.</summary>
        public static bool IsAnswer(GodraException error) =>
            error.Status != null || error.RetryAfter != null || error.Code == "refused" || error.Kind == GodraErrorKind.Protocol;

        /// <summary>Whether it will hardly change its mind: the lobby is gone, or full.</summary>
        public static bool IsFinal(GodraException error) => error.Status == 400 || error.Status == 403 || error.Status == 404;

        /// <summary>
        /// An end before the welcome as an error. The server accepts the WebSocket and says there why it lets somebody not in; of a
        /// server that is full, or of a proxy, .NET Standard hides what a refusal says.
        /// </summary>
        public static async Task<GodraException> ExplainAsync(LinkEnd end, bool wasOpened, Api api, CancellationToken cancel)
        {
            if (end.IsBadToken) return new GodraException("unauthorized", "The token is not one that the server gave: a WebSocket cannot carry it");
            if (wasOpened || end.IsUnreadable) return Closed(end);
            if (end.IsNoAnswer) return new GodraException("bad_response", end.Reason) { CloseCode = end.Code };
            if (end.Answer != null) return Errors.OfAnswer(end.Answer);
            if (end.Status is int status) return OfStatus(status, end.RetryAfter);
            return end.TellsStatus ? Unreachable(end) : await AskAsync(end, api, cancel).ConfigureAwait(false);
        }

        public static GodraException Closed(LinkEnd end)
        {
            var why = end.Reason == "" ? "" : $": {end.Reason}";
            return new GodraException("disconnected", $"The server closed the connection ({end.Code}{why})")
            {
                CloseCode = end.Code,
                Details = end.Code == CloseCodes.Banned ? BanOf(end.Reason) : null,
            };
        }

        /// <summary>`banned`, or `banned until MS`, then the manager's words behind `: `: as the details that a ban has by HTTP.</summary>
        private static JToken? BanOf(string reason)
        {
            var parts = reason.Split(new[] { ": " }, 2, StringSplitOptions.None);
            const string until = "banned until ";
            var isTimed = parts[0].StartsWith(until, StringComparison.Ordinal);
            if (!isTimed && parts[0] != "banned") return null;
            var ms = 0L;
            if (isTimed && !long.TryParse(parts[0].Substring(until.Length), NumberStyles.None, CultureInfo.InvariantCulture, out ms)) return null;
            return new JObject { ["until"] = isTimed ? new JValue(ms) : JValue.CreateNull(), ["reason"] = parts.Length > 1 ? parts[1] : "" };
        }

        private static GodraException OfStatus(int status, TimeSpan? retryAfter) =>
            new GodraException(Errors.CodeOfStatus(status), $"The server refused the WebSocket with HTTP status {status}")
            {
                Status = status,
                RetryAfter = retryAfter,
            };

        private static GodraException Unreachable(LinkEnd end) =>
            new GodraException("unavailable", $"The server cannot be reached: {end.Reason}") { CloseCode = end.Code };

        /// <summary>Where nothing at all is told: is nobody there, or nobody let in? And when is it worth while to ask again?</summary>
        private static async Task<GodraException> AskAsync(LinkEnd end, Api api, CancellationToken cancel)
        {
            HttpAnswer ready;
            try
            {
                ready = await api.SendAsync("ready", new HttpAsk("GET", api.AddressOf("ready")), cancel).ConfigureAwait(false);
            }
            catch (GodraException e)
            {
                return e;
            }
            if (ready.Status == 200) return new GodraException("refused", "The server is up, but refused the WebSocket") { CloseCode = end.Code };
            // The status of this answer is not that of the refusal.
            return new GodraException("unavailable", $"The server is not ready (HTTP status {ready.Status})") { RetryAfter = ready.RetryAfter };
        }
    }
}
