#nullable enable
namespace GodotSDK
{
    /// <summary>Which close codes a client comes back from (sdk/PROTOCOL.md).</summary>
    internal static class CloseCodes
    {
        public const int Normal = 1000;
        public const int GoingAway = 1001;
        public const int Broken = 1006;

        /// <summary>Sent by this side: the place in the room is to be kept.</summary>
        public const int WillComeBack = 4000;
        public const int TokenExpired = 4001;
        public const int Banned = 4501;
        private const int RateLimited = 4003;
        private const int NoStatus = 1005;

        /// <summary>Whether a client should come back after this close code.</summary>
        public static bool ComesBack(int code)
        {
            if (code >= 4000) return code <= 4499;
            // 1005 and 1012 to 1014 never come from the server itself, but from proxies in front of it.
            return code == GoingAway || code == NoStatus || code == Broken || (code >= 1011 && code <= 1014);
        }

        /// <summary>Whether haste would do harm: many come back at once, or this one was in too much of a hurry.</summary>
        public static bool IsGentle(int code) => code == GoingAway || code == RateLimited;
    }
}
