#nullable enable
using System;
using System.Collections.Generic;
using Newtonsoft.Json.Linq;

namespace GodotSDK
{
    /// <summary>How each source of failures becomes a <see cref="GodraException"/>.</summary>
    internal static class Errors
    {
        /// <summary>The server says with these that an input did not run. With `unavailable` nobody knows.</summary>
        private static readonly HashSet<string> NotRun = new HashSet<string>
        {
            "bad_request", "unauthorized", "token_expired", "session_ended", "forbidden", "not_found", "out_of_order", "too_large",
            "rate_limited", "busy",
        };

        public static GodraException OfAnswer(HttpAnswer answer)
        {
            var error = Json.TryParse(answer.Body, out var body, out _) ? (body as JObject)?["error"] as JObject : null;
            var code = Json.Text(error?["code"]);
            return new GodraException(code ?? CodeOfStatus(answer.Status), Json.Text(error?["message"]) ?? $"HTTP status {answer.Status}")
            {
                Status = answer.Status,
                Details = error?["details"],
                RetryAfter = answer.RetryAfter,
                IsServersOwn = code != null,
            };
        }

        /// <summary>For answers that are not the server's own, but a proxy's.</summary>
        public static string CodeOfStatus(int status) => status switch
        {
            400 => "bad_request",
            401 => "unauthorized",
            403 => "forbidden",
            404 => "not_found",
            409 => "conflict",
            413 => "too_large",
            429 => "rate_limited",
            _ => status >= 500 ? "unavailable" : "bad_response",
        };

        /// <summary>The answer to an input.</summary>
        public static GodraException OfPayload(JToken? payload)
        {
            var error = payload as JObject;
            if (!(Json.Text(error?["code"]) is string code))
            {
                return Input("bad_message", "The server sent an error without a code", Outcome.Unknown);
            }
            return new GodraException(code, Json.Text(error!["message"]) ?? "The server reported an error")
            {
                Details = error["details"],
                Outcome = OutcomeOf(code),
                IsServersOwn = true,
            };
        }

        /// <summary>What became of a call by HTTP that failed so.</summary>
        public static Outcome OutcomeOfCall(GodraException error)
        {
            if (error.IsUnsent) return Outcome.None;
            if (error.HasRun && error.Code != "unavailable") return Outcome.Ran;
            if (error.IsServersOwn) return OutcomeOf(error.Code);
            return error.Status >= 400 && error.Status < 500 ? Outcome.None : Outcome.Unknown;
        }

        private static Outcome OutcomeOf(string code)
        {
            if (NotRun.Contains(code)) return Outcome.None;
            return code == "unavailable" ? Outcome.Unknown : Outcome.Ran;
        }

        /// <summary>What comes in the place of a welcome: a refusal with all that HTTP would have said.</summary>
        public static GodraException OfRefusal(JObject error)
        {
            var retryAfterS = Json.Whole(error["retry_after"]);
            var status = Json.Whole(error["status"]);
            return new GodraException(Json.Text(error["code"]) ?? "refused", Json.Text(error["message"]) ?? "The server refused the WebSocket")
            {
                Status = status <= MaxStatus ? (int?)status : null,
                Details = error["details"],
                RetryAfter = retryAfterS == null ? (TimeSpan?)null : TimeSpan.FromSeconds(Math.Min(retryAfterS.Value, MaxRetryAfterS)),
                IsServersOwn = true,
            };
        }

        private const long MaxStatus = 599;
        private const long MaxRetryAfterS = 24 * 3600;

        public static GodraException Cancelled() =>
            new GodraException("cancelled", "Closed before the connection was made") { Outcome = Outcome.None };

        public static GodraException SessionEnded(string why, GodraException? cause = null) =>
            new GodraException("session_ended", why, cause) { Status = cause?.Status };

        public static GodraException NoToken() =>
            new GodraException("unauthorized", "Not logged in: call Auth.EnsureAsync, Auth.GuestAsync or Auth.LoginAsync first");

        /// <summary>The game asked for what cannot be sent.</summary>
        public static GodraException Usage(string message) => Input("bad_request", message, Outcome.None);

        public static GodraException Input(string code, string message, Outcome outcome) =>
            new GodraException(code, message) { Outcome = outcome };
    }
}
