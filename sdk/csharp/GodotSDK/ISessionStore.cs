#nullable enable
using System;
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

    /// <summary>
    /// For a store that several clients share: who holds its lock is the only one that refreshes the session. A store without it works as
    /// well, as the server gives all that refresh at about the same time the same tokens.
    /// </summary>
    public interface ISessionLock
    {
        /// <summary>Waits for the lock; disposing what it gives lets the next one in.</summary>
        /// <param name="cancel">Ends the waiting.</param>
        Task<IDisposable> LockAsync(CancellationToken cancel = default);
    }

    /// <summary>Keeps the session as long as the process lives. Clients may share one.</summary>
    public sealed class MemorySessionStore : ISessionStore, ISessionLock
    {
        private readonly SemaphoreSlim free = new SemaphoreSlim(1);
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

        /// <inheritdoc/>
        public async Task<IDisposable> LockAsync(CancellationToken cancel = default)
        {
            await free.WaitAsync(cancel).ConfigureAwait(false);
            return new Ending(() => free.Release());
        }
    }
}
