#nullable enable
using System;
using System.Collections.Generic;
using Newtonsoft.Json.Linq;

namespace GodotSDK
{
    /// <summary>Where a failure comes from.</summary>
    public enum GodraErrorKind
    {
        /// <summary>The server refused the call.</summary>
        Server,

        /// <summary>A script of the game refused it, or broke.</summary>
        Script,

        /// <summary>The network, or a server that is away or too busy. Trying again may help.</summary>
        Network,

        /// <summary>The login is missing or over.</summary>
        Session,

        /// <summary>The server sent what makes no sense.</summary>
        Protocol,

        /// <summary>The game called the SDK in a way that it cannot serve.</summary>
        Usage,
    }

    /// <summary>What became of an input that failed.</summary>
    public enum Outcome
    {
        /// <summary>It did not run.</summary>
        None,

        /// <summary>Its answer is lost: it may have run.</summary>
        Unknown,

        /// <summary>It ran and failed, so it has changed nothing.</summary>
        Ran,
    }

    /// <summary>
    /// The one exception that the SDK fails with. A <see cref="System.Threading.CancellationToken"/> of the game's own ends a call
    /// with <see cref="OperationCanceledException"/> instead, as everywhere in .NET.
    /// </summary>
    public sealed class GodraException : Exception
    {
        /// <summary>Makes one; games need this in tests alone.</summary>
        /// <param name="code">For programs.</param>
        /// <param name="message">For people.</param>
        /// <param name="inner">What it follows from.</param>
        public GodraException(string code, string message, Exception? inner = null)
            : base(message, inner)
        {
            Code = code;
        }

        /// <summary>For programs: a code of the server, of a script, or of the SDK.</summary>
        public string Code { get; }

        /// <summary>Where the failure comes from.</summary>
        public GodraErrorKind Kind
        {
            get
            {
                if (ServersKinds.TryGetValue(Code, out var kind) && (IsServersOwn || !Kinds.ContainsKey(Code))) return kind;
                return Kinds.TryGetValue(Code, out kind) ? kind : GodraErrorKind.Script;
            }
        }

        /// <summary>The HTTP status, where there was an answer.</summary>
        public int? Status { get; internal set; }

        /// <summary>What the script added to its error.</summary>
        public JToken? Details { get; internal set; }

        /// <summary>How long the server asks to wait.</summary>
        public TimeSpan? RetryAfter { get; internal set; }

        /// <summary>The close code of the connection whose end this is.</summary>
        public int? CloseCode { get; internal set; }

        /// <summary>Of an input: whether it ran.</summary>
        public Outcome? Outcome { get; internal set; }

        /// <summary>Whether the same call may succeed later, and does no harm if it is made again.</summary>
        public bool IsRetryable => Retryable.Contains(Code) && (Outcome == null || Outcome == GodotSDK.Outcome.None);

        /// <summary>Whether a script ran, so that the call must not be made again by itself.</summary>
        internal bool HasRun { get; set; }

        /// <summary>Whether the server itself gave this error, rather than this SDK or a proxy in front of the server.</summary>
        internal bool IsServersOwn { get; set; }

        /// <summary>Whether the call never reached the server.</summary>
        internal bool IsUnsent { get; set; }

        private static readonly HashSet<string> Retryable = new HashSet<string>
        {
            "timeout", "unavailable", "disconnected", "busy", "rate_limited", "out_of_order",
        };

        /// <summary>Codes of the SDK's own; a code that is in no table is a script's.</summary>
        private static readonly Dictionary<string, GodraErrorKind> Kinds = new Dictionary<string, GodraErrorKind>
        {
            ["timeout"] = GodraErrorKind.Network,
            ["unavailable"] = GodraErrorKind.Network,
            ["disconnected"] = GodraErrorKind.Network,
            ["refused"] = GodraErrorKind.Network,
            ["session_ended"] = GodraErrorKind.Session,
            ["bad_response"] = GodraErrorKind.Protocol,
            ["bad_message"] = GodraErrorKind.Protocol,
            ["unsupported"] = GodraErrorKind.Protocol,
            ["queue_full"] = GodraErrorKind.Usage,
            ["cancelled"] = GodraErrorKind.Usage,
            ["bad_request"] = GodraErrorKind.Usage,
            ["too_large"] = GodraErrorKind.Usage,
            ["handler_failed"] = GodraErrorKind.Usage,
        };

        /// <summary>Codes of the server's; one of them means something else when the SDK gives it.</summary>
        private static readonly Dictionary<string, GodraErrorKind> ServersKinds = new Dictionary<string, GodraErrorKind>
        {
            ["unauthorized"] = GodraErrorKind.Session,
            ["token_expired"] = GodraErrorKind.Session,
            ["forbidden"] = GodraErrorKind.Server,
            ["not_found"] = GodraErrorKind.Server,
            ["conflict"] = GodraErrorKind.Server,
            ["out_of_order"] = GodraErrorKind.Server,
            ["rate_limited"] = GodraErrorKind.Server,
            ["busy"] = GodraErrorKind.Server,
            ["unavailable"] = GodraErrorKind.Server,
        };
    }
}
