#nullable enable
namespace GodotSDK
{
    /// <summary>Ids of lobbies, which are taken with and without <c>game:</c>.</summary>
    internal static class LobbyIds
    {
        private const string Prefix = "game:";
        private const char GameSign = '~';
        private const int MaxLength = 64;
        private const int MaxGameLength = 32;

        /// <summary>Without the prefix; with the game's name in front, unless that is empty: the default game's.</summary>
        public static string IdOf(string lobbyId, string game)
        {
            var id = lobbyId.StartsWith(Prefix, System.StringComparison.Ordinal) ? lobbyId.Substring(Prefix.Length) : lobbyId;
            var front = game == "" ? "" : game + GameSign;
            if (id.StartsWith(front, System.StringComparison.Ordinal)) id = id.Substring(front.Length);
            if (IsGood(id)) return front + id;
            throw new GodraException("bad_request", "A lobby id is 1 to 64 letters, digits, underscores and hyphens");
        }

        /// <summary>Of an id that <see cref="IdOf"/> gave.</summary>
        public static string KeyOf(string id) => Prefix + id;

        /// <summary>Whether a game may have this name; the default one's is empty.</summary>
        public static bool IsGame(string name)
        {
            if (name == "") return true;
            if (name.Length > MaxGameLength || name[0] < 'a' || name[0] > 'z') return false;
            foreach (var c in name)
            {
                if (c >= 'A' && c <= 'Z') return false;
            }
            return IsGood(name);
        }

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
