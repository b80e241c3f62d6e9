#nullable enable
using System;
using System.Threading;
using System.Threading.Tasks;

namespace GodotSDK
{
    /// <summary>A session store whose mistakes end no game: they are logged.</summary>
    internal sealed class Keeper
    {
        /// <summary>Then somebody holds the lock who has crashed or hangs. Without it the server still gives all the same tokens for a while.</summary>
        private static readonly TimeSpan LockLimit = TimeSpan.FromSeconds(15);

        private readonly ISessionStore store;
        private readonly Log log;
        private readonly CancellationToken life;

        public Keeper(ISessionStore store, Log log, CancellationToken life)
        {
            this.store = store;
            this.log = log;
            this.life = life;
        }

        public Task SaveAsync(Session session) => KeepAsync(() => store.SaveAsync(session, life));

        public Task ClearAsync() => KeepAsync(() => store.ClearAsync(life));

        public async Task<Session?> LoadAsync(CancellationToken cancel)
        {
            try
            {
                return await store.LoadAsync(cancel).ConfigureAwait(false);
            }
            catch (Exception e) when (!(e is OperationCanceledException))
            {
                log.Warning($"the session could not be read: {e.Message}");
                return null;
            }
        }

        /// <summary>Keeps out others who refresh the same session, if the store can.</summary>
        public async Task<IDisposable?> LockAsync()
        {
            if (!(store is ISessionLock shared)) return null;
            using var limited = CancellationTokenSource.CreateLinkedTokenSource(life);
            limited.CancelAfter(LockLimit);
            try
            {
                return await shared.LockAsync(limited.Token).ConfigureAwait(false);
            }
            catch (Exception e) when (!life.IsCancellationRequested)
            {
                log.Warning($"the session could not be locked: {e.Message}");
                return null;
            }
        }

        private async Task KeepAsync(Func<Task> keep)
        {
            try
            {
                await keep().ConfigureAwait(false);
            }
            catch (Exception e) when (!(e is OperationCanceledException))
            {
                log.Warning($"the session could not be kept: {e.Message}");
            }
        }
    }
}
