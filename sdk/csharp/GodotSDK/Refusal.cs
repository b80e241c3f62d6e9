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
        public static bool IsFinal(GodraException error) => HasReason(error.Status);

        /// <summary>
        /// An end before the welcome as an error. A server of today accepts the WebSocket and says there why it lets nobody in; of an
        /// older one, or of a proxy, WebSockets hide what a refusal says, and it is asked for by HTTP.
        /// </summary>
        public static async Task<GodraException> ExplainAsync(LinkEnd end, bool wasOpened, Api api, LinkRequest request, CancellationToken cancel)
        {
            if (end.IsBadToken) return new GodraException("unauthorized", "The token is not one that the server gave: a WebSocket cannot carry it");
            if (wasOpened || end.IsUnreadable) return Closed(end);
            if (end.IsNoAnswer) return new GodraException("bad_response", end.Reason) { CloseCode = end.Code };
            if (end.Answer != null) return Errors.OfAnswer(end.Answer);
            if (end.Status is int status && !HasReason(status)) return OfStatus(status, end.RetryAfter);
            if (end.Status == null && end.TellsStatus) return Unreachable(end);
            try
            {
                return await AskAsync(end, api, request, cancel).ConfigureAwait(false);
            }
            catch (GodraException e)
            {
                return end.Status is int known ? OfStatus(known, end.RetryAfter) : e;
            }
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

        /// <summary>With these a script may have said why.</summary>
        private static bool HasReason(int? status) => status == 400 || status == 403 || status == 404;

        private static GodraException OfStatus(int status, TimeSpan? retryAfter) =>
            new GodraException(Errors.CodeOfStatus(status), $"The server refused the WebSocket with HTTP status {status}")
            {
                Status = status,
                RetryAfter = retryAfter,
            };

        private static GodraException Unreachable(LinkEnd end) =>
            new GodraException("unavailable", $"The server cannot be reached: {end.Reason}") { CloseCode = end.Code };

        // Some platforms tell nothing at all: then a server that is away must not be asked for more than that.
        private static async Task<GodraException> AskAsync(LinkEnd end, Api api, LinkRequest request, CancellationToken cancel)
        {
            if (end.Status == null)
            {
                var ready = await api.SendAsync("ready", new HttpAsk("GET", api.AddressOf("ready")), cancel).ConfigureAwait(false);
                if (ready.Status != 200)
                {
                    return new GodraException("unavailable", "The server is not ready") { Status = ready.Status, RetryAfter = ready.RetryAfter };
                }
            }
            var answer = await api.SendAsync("ws", SameByHttp(api, request), cancel).ConfigureAwait(false);
            if (answer.Status >= 400) return Errors.OfAnswer(answer);
            // It would be accepted now: whatever it was is over.
            return new GodraException("refused", "The server is up, but refused the WebSocket") { Status = end.Status, CloseCode = end.Code };
        }

        private static HttpAsk SameByHttp(Api api, LinkRequest request)
        {
            var ask = new HttpAsk("GET", api.AddressOf($"ws{request.Address.Query}"));
            ask.Headers["Connection"] = "Upgrade";
            ask.Headers["Upgrade"] = "websocket";
            ask.Headers["Sec-WebSocket-Version"] = "13";
            ask.Headers["Sec-WebSocket-Key"] = Convert.ToBase64String(Guid.NewGuid().ToByteArray());
            ask.Headers["Sec-WebSocket-Protocol"] = $"godra, bearer.{request.Token}";
            return ask;
        }
    }
}
