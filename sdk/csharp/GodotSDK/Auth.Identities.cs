#nullable enable
using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Newtonsoft.Json.Linq;

namespace GodotSDK
{
    /// <content>Logins without a password, and what is linked to an account.</content>
    public sealed partial class GodotAuth
    {
        /// <summary>Logs in with a token of another issuer, such as the studio's own login. Rooms of another user's session end.</summary>
        /// <param name="token">The token.</param>
        /// <param name="cancel">Ends it.</param>
        public Task<Session> LoginWithTokenAsync(string token, CancellationToken cancel = default) =>
            LoginAsync("external-login", Payload.Of(("token", token)), cancel);

        /// <summary>Logs in with a device. Rooms of another user's session end.</summary>
        /// <param name="device">What <see cref="Device.Random"/> made once, and the game has kept.</param>
        /// <param name="cancel">Ends it.</param>
        public Task<Session> LoginWithDeviceAsync(Device device, CancellationToken cancel = default) =>
            LoginAsync("device-login", Payload.Of(Credential.OfDevice(device).Members), cancel);

        /// <summary>The account's other ways to log in: an object with <c>identities</c> and <c>has_password</c>.</summary>
        /// <param name="cancel">Ends it.</param>
        public Task<JObject> IdentitiesAsync(CancellationToken cancel = default) =>
            tokens.WithTokenAsync(token => api.GetAsync("account/identities", token, cancel), cancel);

        /// <summary>
        /// Links one more way to log in: a token of another issuer, or a device. A guest becomes a player by it, and goes on as that, as
        /// with <see cref="UpgradeAsync"/>; true if so.
        /// </summary>
        /// <param name="identity">The way to log in.</param>
        /// <param name="proof">That the account is the caller's: its password, or a way that is linked already. A guest needs none.</param>
        /// <param name="lobbies">A guest's lobbies besides those that the server knows; by default the rooms of this client.</param>
        /// <param name="cancel">Ends it.</param>
        public Task<bool> LinkIdentityAsync(
            Credential identity, Credential? proof = null, IEnumerable<string>? lobbies = null, CancellationToken cancel = default)
        {
            var members = identity.Members.ToList();
            members.Add(("rooms", (lobbies ?? joinedRooms()).Select(id => LobbyIds.IdOf(id, game)).ToList()));
            if (proof != null) members.Add(("proof", Payload.Of(proof.Members)));
            var body = Payload.Of(members.ToArray());
            return ChangingAsync(cancel, async token =>
            {
                var answer = await api.PostAsync("account/identities", body, token, cancel).ConfigureAwait(false);
                if (answer["token"] == null) return false;
                await tokens.BeginAsync(tokens.SessionOf(answer)).ConfigureAwait(false);
                return true;
            });
        }

        /// <summary>Takes a way to log in from the account; all its other sessions end. The last way stays (<c>conflict</c>).</summary>
        /// <param name="issuer">Who vouches for it; <c>device</c> for a device.</param>
        /// <param name="subject">The issuer's name for it, or the device's id.</param>
        /// <param name="proof">That the account is the caller's: its password, or a way that is linked.</param>
        /// <param name="cancel">Ends it.</param>
        public Task UnlinkIdentityAsync(string issuer, string subject, Credential proof, CancellationToken cancel = default)
        {
            var path = $"account/identities/{Uri.EscapeDataString(issuer)}/{Uri.EscapeDataString(subject)}";
            var body = Payload.Of(("proof", Payload.Of(proof.Members)));
            return ChangingAsync(cancel, token => api.CallAsync("DELETE", path, body, token, cancel));
        }

        /// <summary>Gives the account another name, as <see cref="RenameAsync(string, string, CancellationToken)"/> does, without its password.</summary>
        /// <param name="username">The name from now on.</param>
        /// <param name="proof">That the account is the caller's: its password, or a way to log in that is linked.</param>
        /// <param name="cancel">Ends it.</param>
        public Task<Account> RenameAsync(string username, Credential proof, CancellationToken cancel = default) =>
            RenameAsync(Payload.Of(("username", username), ("proof", Payload.Of(proof.Members))), cancel);

        /// <summary>Deletes the account for good, as <see cref="DeleteAsync(string, CancellationToken)"/> does, without its password.</summary>
        /// <param name="proof">That the account is the caller's: its password, or a way to log in that is linked.</param>
        /// <param name="cancel">Ends it.</param>
        public Task DeleteAsync(Credential proof, CancellationToken cancel = default) =>
            DeleteAsync(Payload.Of(("proof", Payload.Of(proof.Members))), cancel);
    }
}
