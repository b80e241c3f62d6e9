#nullable enable
using System.Threading.Tasks;

namespace GodotSDK
{
    /// <content>How tokens and sessions come to their end.</content>
    internal sealed partial class Tokens
    {
        /// <summary>The token was refused, or its socket closed for it: the next call refreshes it first, unless no refresh helps any more.</summary>
        public void Refused(string? token, bool isOver)
        {
            lock (gate)
            {
                if (session == null || session.Token != token) return;
                isStale = true;
                this.isOver |= isOver;
            }
        }

        /// <summary>Ends the session by the game's wish.</summary>
        public async Task EndAsync()
        {
            Set(null, null);
            await keeper.ClearAsync().ConfigureAwait(false);
        }

        /// <summary>Ends the session, if it still is the one with that token.</summary>
        public async Task EndAsync(string? token, GodraException cause)
        {
            var ended = Session;
            if (ended == null || ended.Token != token) return;
            Set(null, cause);
            // Whoever shares the store may have logged in anew meanwhile.
            var kept = await LoadAsync(life).ConfigureAwait(false);
            if (kept == null || kept.Token == token || kept.RefreshToken == ended.RefreshToken) await keeper.ClearAsync().ConfigureAwait(false);
        }

        private async Task EndWhatIsOverAsync()
        {
            Session? ended;
            lock (gate) ended = isOver ? session : null;
            if (ended == null) return;
            var cause = Errors.SessionEnded("The server says that the session is over");
            await EndAsync(ended.Token, cause).ConfigureAwait(false);
            throw cause;
        }
    }
}
