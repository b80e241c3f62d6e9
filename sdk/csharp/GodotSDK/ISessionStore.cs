#nullable enable
using System.Threading;
using System.Threading.Tasks;

namespace GodotSDK
{
    /// <summary>Where a session is kept over restarts of the game.</summary>
    public interface ISessionStore
    {
        /// <summary>The session that was kept; null without one, or if it cannot be read.</summary>
        /// <param name="cancel">Ends it.</param>
        Task<Session?> LoadAsync(CancellationToken cancel = default);

        /// <summary>Keeps it. The SDK uses a new session only after that.</summary>
        /// <param name="session">The session.</param>
        /// <param name="cancel">Ends it.</param>
        Task SaveAsync(Session session, CancellationToken cancel = default);

        /// <summary>Forgets it.</summary>
        /// <param name="cancel">Ends it.</param>
        Task ClearAsync(CancellationToken cancel = default);
    }

    /// <summary>Keeps the session as long as the process lives.</summary>
    public sealed class MemorySessionStore : ISessionStore
    {
        private volatile Session? kept;

        /// <inheritdoc/>
        public Task<Session?> LoadAsync(CancellationToken cancel = default) => Task.FromResult(kept);

        /// <inheritdoc/>
        public Task SaveAsync(Session session, CancellationToken cancel = default)
        {
            kept = session;
            return Task.CompletedTask;
        }

        /// <inheritdoc/>
        public Task ClearAsync(CancellationToken cancel = default)
        {
            kept = null;
            return Task.CompletedTask;
        }
    }
}
