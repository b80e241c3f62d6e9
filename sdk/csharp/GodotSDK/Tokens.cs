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
    internal sealed partial class Tokens
    {
        /// <summary>So long before its end a token is refreshed, or a tenth of its time if that is less.</summary>
        private const double RefreshEarlyMs = 60_000;

        private readonly object gate = new object();
        private readonly Api api;
        private readonly Keeper keeper;
        private readonly Func<CancellationToken, Task<string?>>? provider;
        private readonly IClock clock;
        private readonly CancellationToken life;
        private Session? session;
        private double freshUntil;
        private bool isStale;
        private bool isOver;
        private int changes;
        private Task? refreshing;
        private Task changing = Task.CompletedTask;

        public Tokens(Api api, ISessionStore store, GodotClientOptions options, Log log, CancellationToken life)
        {
            this.api = api;
            keeper = new Keeper(store, log, life);
            provider = options.TokenProvider;
            clock = options.Clock;
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

        /// <summary>Whether a login, a logout or an upgrade is under way.</summary>
        public bool IsChanging
        {
            get { lock (gate) return changes > 0; }
        }

        /// <summary>Whether there is another one than this by now.</summary>
        public bool IsReplaced(string? token) => Session is Session now && now.Token != token;

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
            await EndWhatIsOverAsync().ConfigureAwait(false);
            if (WantsRefresh()) await RefreshAsync(cancel).ConfigureAwait(false);
            return Session?.Token ?? throw Errors.NoToken();
        }

        /// <summary>Makes a call with a fresh token; once more with a fresher one if the server itself refuses that.</summary>
        public async Task<T> WithTokenAsync<T>(Func<string, Task<T>> call, CancellationToken cancel)
        {
            var token = await FreshForCallAsync(cancel).ConfigureAwait(false);
            try
            {
                return await call(token).ConfigureAwait(false);
            }
            catch (GodraException e) when (e.Status == 401 && !e.HasRun && CanRefresh)
            {
                Refused(token, isOver: e.Code == "session_ended");
            }
            return await call(await FreshForCallAsync(cancel).ConfigureAwait(false)).ConfigureAwait(false);
        }

        private async Task<string> FreshForCallAsync(CancellationToken cancel)
        {
            try
            {
                return await FreshAsync(cancel).ConfigureAwait(false);
            }
            catch (GodraException e)
            {
                // The call itself was not made, or was refused for its token.
                e.IsUnsent = true;
                throw;
            }
        }

        /// <summary>Runs a login, a logout or an upgrade; tokens are given out again when it is done.</summary>
        public async Task<T> ChangeAsync<T>(Func<Task<T>> change)
        {
            var done = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
            lock (gate)
            {
                changing = Task.WhenAll(changing, done.Task);
                changes += 1;
            }
            try
            {
                return await change().ConfigureAwait(false);
            }
            finally
            {
                lock (gate)
                {
                    changes -= 1;
                    if (changes == 0) changing = Task.CompletedTask;
                }
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
            if (!isKept) await keeper.SaveAsync(begun).ConfigureAwait(false);
            Set(begun, null);
            return begun;
        }

        public Session SessionOf(JObject login) => Session.OfLogin(login, clock.WallMs);

        public Task<Session?> LoadAsync(CancellationToken cancel) => keeper.LoadAsync(cancel);

        private bool WantsRefresh()
        {
            lock (gate) return session?.RefreshToken != null && (isStale || clock.NowMs >= freshUntil);
        }

        private async Task RefreshAsync(Session old)
        {
            // Another client that shares the store, in this process or another one, may have been faster.
            using var _ = await keeper.LockAsync().ConfigureAwait(false);
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
            catch (GodraException e) when (e.Status == 400 || e.Status == 401 || e.Status == 403)
            {
                // Refused for good: banned, logged out elsewhere, or too old.
                var cause = Errors.SessionEnded($"The session is over: {e.Message}", e);
                await EndAsync(old.Token, cause).ConfigureAwait(false);
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
                isOver = false;
                if (next != null) freshUntil = clock.NowMs + FreshMs(next);
            }
            if (before != next) Changed(next, cause);
        }

        // By the time that is left rather than by the date, which a device may have wrong. Only a session of an earlier run has no other.
        private double FreshMs(Session next)
        {
            var leftMs = (double)(next.ExpiresAtMs - clock.WallMs);
            if (next.ExpiresInS > 0) leftMs = Math.Min(leftMs, next.ExpiresInS * 1000.0);
            return leftMs - Math.Min(RefreshEarlyMs, (next.ExpiresInS > 0 ? next.ExpiresInS * 1000.0 : leftMs) / 10);
        }
    }
}
