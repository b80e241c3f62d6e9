#nullable enable
using System;
using System.Threading;
using System.Threading.Tasks;
using Newtonsoft.Json.Linq;

namespace GodotSDK
{
    /// <summary>
    /// The session: an access token, and a refresh token that is good once. It is refreshed when a call needs its token and that is
    /// near its end, or was refused. Refreshes at the same time are one.
    /// </summary>
    internal sealed class Tokens
    {
        /// <summary>So long before its end a token is refreshed, or a tenth of its time if that is less.</summary>
        private const double RefreshEarlyMs = 60_000;

        private readonly object gate = new object();
        private readonly Api api;
        private readonly ISessionStore store;
        private readonly Func<CancellationToken, Task<string?>>? provider;
        private readonly IClock clock;
        private readonly Log log;
        private readonly CancellationToken life;
        private Session? session;
        private double freshUntil;
        private bool isStale;
        private Task? refreshing;
        private Task changing = Task.CompletedTask;

        public Tokens(Api api, ISessionStore store, GodotClientOptions options, Log log, CancellationToken life)
        {
            this.api = api;
            this.store = store;
            provider = options.TokenProvider;
            clock = options.Clock;
            this.log = log;
            this.life = life;
        }

        /// <summary>Called with every new session, and with null; the exception says why, if that was not the game's own wish.</summary>
        public Action<Session?, GodraException?> Changed { get; set; } = (_, __) => { };

        public Session? Session
        {
            get { lock (gate) return session; }
        }

        /// <summary>Whether another token can be had when this one is refused.</summary>
        public bool CanRefresh => provider != null || Session?.RefreshToken != null;

        /// <summary>Whose token it is, as far as that can be told without asking: a JWT says it to everyone.</summary>
        public string? UserOf(string token)
        {
            var current = Session;
            return current?.Token == token ? current.UserId : Claims.UserOf(token);
        }

        /// <summary>A token that is good for a while.</summary>
        public async Task<string> FreshAsync(CancellationToken cancel)
        {
            if (provider != null) return await provider(cancel).ConfigureAwait(false) ?? throw Errors.NoToken();
            // An upgrade or a login that is under way has the last word: what it ends must not be refreshed meanwhile.
            Task change;
            lock (gate) change = changing;
            await Waiting.For(change, cancel).ConfigureAwait(false);
            if (WantsRefresh()) await RefreshAsync(cancel).ConfigureAwait(false);
            return Session?.Token ?? throw Errors.NoToken();
        }

        /// <summary>The token was refused, or its socket closed for it: the next call refreshes it first.</summary>
        public void Distrust(string? token)
        {
            lock (gate) isStale |= session != null && session.Token == token;
        }

        /// <summary>Makes a call with a fresh token; once more with a fresher one if the server itself refuses that.</summary>
        public async Task<T> WithTokenAsync<T>(Func<string, Task<T>> call, CancellationToken cancel)
        {
            var token = await FreshAsync(cancel).ConfigureAwait(false);
            try
            {
                return await call(token).ConfigureAwait(false);
            }
            catch (GodraException e) when (e.Status == 401 && !e.HasRun && CanRefresh)
            {
                Distrust(token);
            }
            return await call(await FreshAsync(cancel).ConfigureAwait(false)).ConfigureAwait(false);
        }

        /// <summary>Runs a login, a logout or an upgrade; tokens are given out again when it is done.</summary>
        public async Task<T> ChangeAsync<T>(Func<Task<T>> change)
        {
            var done = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
            lock (gate) changing = Task.WhenAll(changing, done.Task);
            try
            {
                return await change().ConfigureAwait(false);
            }
            finally
            {
                done.SetResult(true);
            }
        }

        public Task RefreshAsync(CancellationToken cancel)
        {
            lock (gate)
            {
                var old = session;
                if (old?.RefreshToken == null) throw new GodraException("unauthorized", "No session to refresh: log in first");
                if (refreshing == null || refreshing.IsCompleted) refreshing = Task.Run(() => RefreshAsync(old));
                // It goes on for the others when one of those who wait for it gives up.
                return Waiting.For(refreshing, cancel);
            }
        }

        /// <summary>Goes on with a session that was kept; keeps it if it is a new one.</summary>
        public async Task<Session> BeginAsync(Session begun, bool isKept = false)
        {
            if (!isKept) await KeepAsync(() => store.SaveAsync(begun, life)).ConfigureAwait(false);
            Set(begun, null);
            return begun;
        }

        public Session SessionOf(JObject login) => Session.OfLogin(login, clock.WallMs);

        public async Task EndAsync(GodraException? cause)
        {
            Set(null, cause);
            await KeepAsync(() => store.ClearAsync(life)).ConfigureAwait(false);
        }

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

        private bool WantsRefresh()
        {
            lock (gate) return session?.RefreshToken != null && (isStale || clock.NowMs >= freshUntil);
        }

        private async Task RefreshAsync(Session old)
        {
            // Another process that shares the store may have been faster.
            var kept = await LoadAsync(life).ConfigureAwait(false);
            if (kept != null && kept.UserId == old.UserId && kept.RefreshToken != old.RefreshToken && kept.ExpiresAtMs > clock.WallMs)
            {
                if (Session == old) await BeginAsync(kept, isKept: true).ConfigureAwait(false);
                return;
            }
            try
            {
                var login = await PresentAsync(old.RefreshToken!).ConfigureAwait(false);
                if (Session == old) await BeginAsync(SessionOf(login)).ConfigureAwait(false);
            }
            catch (GodraException e) when (e.Status == 401 || e.Status == 403)
            {
                // Refused for good: banned, logged out elsewhere, or too old.
                var cause = Errors.SessionEnded($"The session is over: {e.Message}", e);
                if (Session == old) await EndAsync(cause).ConfigureAwait(false);
                throw cause;
            }
        }

        /// <summary>The answer may be lost on its way: the server gives it a second time.</summary>
        private async Task<JObject> PresentAsync(string refreshToken)
        {
            var body = Payload.Of(("refresh_token", refreshToken));
            try
            {
                return await api.PostAsync("refresh", body, null, life).ConfigureAwait(false);
            }
            catch (GodraException e) when (e.Status == null && (e.Code == "timeout" || e.Code == "unavailable"))
            {
                return await api.PostAsync("refresh", body, null, life).ConfigureAwait(false);
            }
        }

        private void Set(Session? next, GodraException? cause)
        {
            Session? before;
            lock (gate)
            {
                before = session;
                session = next;
                isStale = false;
                if (next != null) freshUntil = clock.NowMs + FreshMs(next);
            }
            if (before != next) Changed(next, cause);
        }

        // By the time that is left rather than by the date, which a device may have wrong. Only a session of an earlier run has no other.
        private double FreshMs(Session next)
        {
            var leftMs = Math.Min(next.ExpiresAtMs - clock.WallMs, next.ExpiresInS * 1000.0);
            return leftMs - Math.Min(RefreshEarlyMs, next.ExpiresInS * 100.0);
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

    /// <summary>Waiting for something that others wait for, too.</summary>
    internal static class Waiting
    {
        public static async Task For(Task task, CancellationToken cancel)
        {
            if (!task.IsCompleted && cancel.CanBeCanceled)
            {
                var cancelled = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
                using (cancel.Register(() => cancelled.TrySetResult(true)))
                {
                    await Task.WhenAny(task, cancelled.Task).ConfigureAwait(false);
                }
                if (!task.IsCompleted) cancel.ThrowIfCancellationRequested();
            }
            await task.ConfigureAwait(false);
        }
    }
}
