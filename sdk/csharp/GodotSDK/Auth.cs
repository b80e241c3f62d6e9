#nullable enable
using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Newtonsoft.Json.Linq;

namespace GodotSDK
{
    /// <summary>Logins. A session is refreshed by itself as long as the game uses it.</summary>
    public sealed partial class GodotAuth
    {
        private readonly Api api;
        private readonly Tokens tokens;
        private readonly string game;
        private readonly Func<IReadOnlyList<string>> joinedRooms;
        private Task<Session>? ensuring;

        internal GodotAuth(Api api, Tokens tokens, string game, Func<IReadOnlyList<string>> joinedRooms)
        {
            this.api = api;
            this.tokens = tokens;
            this.game = game;
            this.joinedRooms = joinedRooms;
        }

        /// <summary>Goes on with the session that is there or was kept, or logs in as a guest.</summary>
        /// <param name="cancel">Ends it.</param>
        public async Task<Session> EnsureAsync(CancellationToken cancel = default)
        {
            TaskCompletionSource<Session>? mine = null;
            Task<Session> shared;
            lock (tokens)
            {
                // Two guests would be one too many.
                if (ensuring == null || ensuring.IsCompleted)
                {
                    mine = new TaskCompletionSource<Session>(TaskCreationOptions.RunContinuationsAsynchronously);
                    ensuring = mine.Task;
                }
                shared = ensuring;
            }
            if (mine != null) _ = EnsureAsync(mine);
            await Waiting.For(shared, cancel).ConfigureAwait(false);
            return await shared.ConfigureAwait(false);
        }

        /// <summary>Goes on with the session that was kept, without asking the server for one; null if there is none.</summary>
        /// <param name="cancel">Ends it.</param>
        public async Task<Session?> ResumeAsync(CancellationToken cancel = default)
        {
            if (tokens.Session == null && await tokens.LoadAsync(cancel).ConfigureAwait(false) is Session kept)
            {
                await tokens.BeginAsync(kept, isKept: true).ConfigureAwait(false);
            }
            return tokens.Session;
        }

        /// <summary>Logs in as a new guest.</summary>
        /// <param name="cancel">Ends it.</param>
        public Task<Session> GuestAsync(CancellationToken cancel = default) => LoginAsync("guest-login", Payload.Of(), cancel);

        /// <summary>Logs in as a new guest whom other players see under a name of its own, which others may have, too.</summary>
        /// <param name="nickname">3 to 32 letters and digits; <c>conflict</c> if an account has that name.</param>
        /// <param name="cancel">Ends it.</param>
        public Task<Session> GuestAsync(string nickname, CancellationToken cancel = default) =>
            LoginAsync("guest-login", Payload.Of(("nickname", nickname)), cancel);

        /// <summary>Logs in with an account. Rooms of another user's session end.</summary>
        /// <param name="username">The account's name.</param>
        /// <param name="password">Its password.</param>
        /// <param name="cancel">Ends it.</param>
        public Task<Session> LoginAsync(string username, string password, CancellationToken cancel = default) =>
            LoginAsync("login", Payload.Of(("username", username), ("password", password)), cancel);

        /// <summary>Makes an account; <see cref="LoginAsync(string, string, CancellationToken)"/> comes after it.</summary>
        /// <param name="username">Its name: 3 to 32 letters and digits.</param>
        /// <param name="password">Its password: 8 to 128 characters.</param>
        /// <param name="cancel">Ends it.</param>
        public async Task<Account> RegisterAsync(string username, string password, CancellationToken cancel = default)
        {
            var body = Payload.Of(("username", username), ("password", password));
            return new Account(await api.PostAsync("register", body, null, cancel).ConfigureAwait(false));
        }

        /// <summary>
        /// Makes the guest that is logged in a player with an account, and goes on as that. What the guest has in lobbies goes over
        /// to the new user id; rooms come back by themselves.
        /// </summary>
        /// <param name="username">The account's name.</param>
        /// <param name="password">Its password.</param>
        /// <param name="lobbies">Lobbies besides those that the server knows; by default the rooms of this client.</param>
        /// <param name="cancel">Ends it.</param>
        public Task<Session> UpgradeAsync(string username, string password, IEnumerable<string>? lobbies = null, CancellationToken cancel = default)
        {
            var rooms = (lobbies ?? joinedRooms()).Select(id => LobbyIds.IdOf(id, game)).ToList();
            var body = Payload.Of(("username", username), ("password", password), ("rooms", rooms));
            return ChangeAsync(cancel, token => api.PostAsync("account/upgrade", body, token, cancel));
        }

        /// <summary>Changes the password; all other sessions of the account end.</summary>
        /// <param name="oldPassword">The password until now.</param>
        /// <param name="newPassword">The one from now on.</param>
        /// <param name="cancel">Ends it.</param>
        public Task ChangePasswordAsync(string oldPassword, string newPassword, CancellationToken cancel = default)
        {
            var body = Payload.Of(("old", oldPassword), ("new", newPassword));
            return ChangingAsync(cancel, token => api.PostAsync("account/password", body, token, cancel));
        }

        /// <summary>Gives the account another name. Rooms see it when the player joins again.</summary>
        /// <param name="username">The name from now on.</param>
        /// <param name="password">The account's password.</param>
        /// <param name="cancel">Ends it.</param>
        public Task<Account> RenameAsync(string username, string password, CancellationToken cancel = default) =>
            RenameAsync(Payload.Of(("username", username), ("password", password)), cancel);

        /// <summary>Deletes the account for good, and ends the session with all its rooms.</summary>
        /// <param name="password">The account's password; a guest has none.</param>
        /// <param name="cancel">Ends it.</param>
        public Task DeleteAsync(string? password = null, CancellationToken cancel = default) =>
            DeleteAsync(password == null ? Payload.Of() : Payload.Of(("password", password)), cancel);

        /// <summary>
        /// Sets another password by a code that the game's operator has sent; <see cref="LoginAsync(string, string, CancellationToken)"/>
        /// comes after it.
        /// </summary>
        /// <param name="username">The account's name.</param>
        /// <param name="code">The code.</param>
        /// <param name="password">The password from now on.</param>
        /// <param name="cancel">Ends it.</param>
        public Task ResetPasswordAsync(string username, string code, string password, CancellationToken cancel = default)
        {
            var body = Payload.Of(("username", username), ("code", code), ("password", password));
            return api.PostAsync("account/reset", body, null, cancel);
        }

        /// <summary>Whose session this is.</summary>
        /// <param name="cancel">Ends it.</param>
        public async Task<Account> AccountAsync(CancellationToken cancel = default) =>
            new Account(await tokens.WithTokenAsync(token => api.GetAsync("account", token, cancel), cancel).ConfigureAwait(false));

        /// <summary>Ends the session on the server, and here whatever the server says. All rooms end.</summary>
        /// <param name="cancel">Ends the call to the server.</param>
        public async Task LogoutAsync(CancellationToken cancel = default)
        {
            if (!(tokens.Session is Session ended))
            {
                await tokens.EndAsync().ConfigureAwait(false);
                return;
            }
            Func<Task<bool>> logout = async () =>
            {
                await tokens.EndAsync().ConfigureAwait(false);
                await EndOnServerAsync(ended, cancel).ConfigureAwait(false);
                return true;
            };
            await tokens.ChangeAsync(logout).ConfigureAwait(false);
        }

        /// <summary>Gets a new pair of tokens now; done by itself when a call needs them.</summary>
        /// <param name="cancel">Ends the waiting.</param>
        public Task RefreshAsync(CancellationToken cancel = default) => tokens.RefreshAsync(cancel);

        // For all who wait for it: none of them ends it by giving up.
        private async Task EnsureAsync(TaskCompletionSource<Session> done)
        {
            try
            {
                done.SetResult(await EnsuredAsync().ConfigureAwait(false));
            }
            catch (Exception e)
            {
                done.SetException(e);
                // All who waited may have given up.
                _ = done.Task.Exception;
            }
        }

        private async Task<Session> EnsuredAsync()
        {
            try
            {
                if (await ResumeAsync().ConfigureAwait(false) != null) await tokens.FreshAsync(default).ConfigureAwait(false);
            }
            catch (GodraException e) when (e.Code == "session_ended")
            {
                // Then there is none, and a guest plays on.
            }
            return tokens.Session ?? await GuestAsync().ConfigureAwait(false);
        }

        private async Task EndOnServerAsync(Session ended, CancellationToken cancel)
        {
            try
            {
                await api.PostAsync("logout", Payload.Of(), ended.Token, cancel).ConfigureAwait(false);
            }
            catch (GodraException e) when (e.Status == 401 && e.Code == "token_expired" && ended.RefreshToken != null)
            {
                // The refresh token is good for much longer, and must not stay so.
                var fresh = await api.PostAsync("refresh", Payload.Of(("refresh_token", ended.RefreshToken)), null, cancel).ConfigureAwait(false);
                await api.PostAsync("logout", Payload.Of(), Json.Text(fresh["token"]), cancel).ConfigureAwait(false);
            }
            catch (GodraException e) when (e.Status == 401)
            {
                // It was over already.
            }
        }

        private Task<Account> RenameAsync(Payload body, CancellationToken cancel) => ChangingAsync(cancel, async token =>
        {
            var account = new Account(await api.CallAsync("PATCH", "account", body, token, cancel).ConfigureAwait(false));
            if (tokens.Session is Session now && now.UserId == account.UserId) await tokens.BeginAsync(now.Renamed(account.Username)).ConfigureAwait(false);
            return account;
        });

        private Task DeleteAsync(Payload body, CancellationToken cancel) => ChangingAsync(cancel, async token =>
        {
            await api.CallAsync("DELETE", "account", body, token, cancel).ConfigureAwait(false);
            await tokens.EndAsync().ConfigureAwait(false);
            return true;
        });

        private Task<Session> LoginAsync(string path, Payload body, CancellationToken cancel) => tokens.ChangeAsync(async () =>
        {
            var login = tokens.SessionOf(await api.PostAsync(path, body, null, cancel).ConfigureAwait(false));
            // Another user's rooms end with that user's session.
            if (tokens.Session is Session before && before.UserId != login.UserId) await tokens.EndAsync().ConfigureAwait(false);
            return await tokens.BeginAsync(login).ConfigureAwait(false);
        });

        private Task<Session> ChangeAsync(CancellationToken cancel, Func<string, Task<JObject>> call) => ChangingAsync(cancel, async token =>
        {
            var login = await call(token).ConfigureAwait(false);
            return await tokens.BeginAsync(tokens.SessionOf(login)).ConfigureAwait(false);
        });

        private async Task<T> ChangingAsync<T>(CancellationToken cancel, Func<string, Task<T>> call)
        {
            var token = await tokens.FreshAsync(cancel).ConfigureAwait(false);
            return await tokens.ChangeAsync(() => call(token)).ConfigureAwait(false);
        }
    }
}
