#nullable enable
namespace GodotSDK
{
    /// <summary>Ids of lobbies, which are taken with and without <c>game:</c>.</summary>
    internal static class LobbyIds
    {
        private const string Prefix = "game:";
        private const int MaxLength = 64;

        /// <summary>Without the prefix.</summary>
        public static string IdOf(string lobbyId)
        {
            var id = lobbyId.StartsWith(Prefix, System.StringComparison.Ordinal) ? lobbyId.Substring(Prefix.Length) : lobbyId;
            if (IsGood(id)) return id;
            throw new GodraException("bad_request", "A lobby id is 1 to 64 letters, digits, underscores and hyphens");
        }

        public static string KeyOf(string lobbyId) => Prefix + IdOf(lobbyId);

        private static bool IsGood(string id)
        {
            if (id.Length < 1 || id.Length > MaxLength) return false;
            foreach (var c in id)
            {
                var isGood = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
                if (!isGood) return false;
            }
            return true;
        }
    }
}
