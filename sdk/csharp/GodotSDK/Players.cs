#nullable enable
using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Newtonsoft.Json.Linq;

namespace GodotSDK
{
    /// <summary>
    /// What players keep, by the stock scripts: profiles, friends, items and trades, the daily reward, seasons. For players with an
    /// account; a guest is refused with <c>forbidden</c>. Objects are as the scripts answer them.
    /// </summary>
    public sealed class Players
    {
        private readonly GodotClient client;

        /// <summary>Of the player that this client is logged in as.</summary>
        /// <param name="client">The client.</param>
        public Players(GodotClient client) => this.client = client;

        /// <summary>The player's own, made by the first call: <c>{user_id, username, name, avatar?, settings, seen, version}</c>.</summary>
        /// <param name="cancel">Ends it.</param>
        public Task<JObject> ProfileAsync(CancellationToken cancel = default) => CallAsync("get_profile", null, cancel);

        /// <summary>Changes it, and gives it as it is then.</summary>
        /// <param name="changes"><c>{name?, avatar?, settings?, version?}</c>; null takes back. With another version by now: <c>conflict</c>.</param>
        /// <param name="cancel">Ends it.</param>
        public Task<JObject> SetProfileAsync(Payload changes, CancellationToken cancel = default) => CallAsync("set_profile", changes, cancel);

        /// <summary>What others may see of a player.</summary>
        /// <param name="userId">Of whom.</param>
        /// <param name="cancel">Ends it.</param>
        public Task<JObject> ViewProfileAsync(string userId, CancellationToken cancel = default) =>
            CallAsync("view_profile", Payload.Of(("user_id", userId)), cancel);

        /// <summary><c>{friends, asks, asked, blocked}</c>, with who is online, and where.</summary>
        /// <param name="cancel">Ends it.</param>
        public Task<JObject> FriendsAsync(CancellationToken cancel = default) => CallAsync("list_friends", null, cancel);

        /// <summary>Wants to be a friend. As the others, gives how it stands: <c>friends</c>, <c>asked</c>, <c>none</c> or <c>blocked</c>.</summary>
        /// <param name="userId">Of whom.</param>
        /// <param name="cancel">Ends it.</param>
        public Task<string> AskFriendAsync(string userId, CancellationToken cancel = default) => FriendAsync("ask", userId, cancel);

        /// <summary>Becomes a friend of who has asked.</summary>
        /// <param name="userId">Who has asked.</param>
        /// <param name="cancel">Ends it.</param>
        public Task<string> AcceptFriendAsync(string userId, CancellationToken cancel = default) => FriendAsync("accept", userId, cancel);

        /// <summary>Does not.</summary>
        /// <param name="userId">Who has asked.</param>
        /// <param name="cancel">Ends it.</param>
        public Task<string> DeclineFriendAsync(string userId, CancellationToken cancel = default) => FriendAsync("decline", userId, cancel);

        /// <summary>Ends a friendship, or takes back an ask.</summary>
        /// <param name="userId">With whom.</param>
        /// <param name="cancel">Ends it.</param>
        public Task<string> RemoveFriendAsync(string userId, CancellationToken cancel = default) => FriendAsync("remove", userId, cancel);

        /// <summary>Ends it, too, and that player can neither ask nor see this one's profile.</summary>
        /// <param name="userId">Whom.</param>
        /// <param name="cancel">Ends it.</param>
        public Task<string> BlockAsync(string userId, CancellationToken cancel = default) => FriendAsync("block", userId, cancel);

        /// <summary>Takes that back.</summary>
        /// <param name="userId">Whom.</param>
        /// <param name="cancel">Ends it.</param>
        public Task<string> UnblockAsync(string userId, CancellationToken cancel = default) => FriendAsync("unblock", userId, cancel);

        /// <summary><c>{items, offers}</c></summary>
        /// <param name="cancel">Ends it.</param>
        public Task<JObject> InventoryAsync(CancellationToken cancel = default) => CallAsync("get_inventory", null, cancel);

        /// <summary>Offers a friend a trade: <c>{status, version, ends_at}</c>.</summary>
        /// <param name="userId">To whom.</param>
        /// <param name="gives">What this player gives, by name.</param>
        /// <param name="takes">What it takes.</param>
        /// <param name="cancel">Ends it.</param>
        public Task<JObject> OfferTradeAsync(
            string userId, IReadOnlyDictionary<string, long>? gives = null, IReadOnlyDictionary<string, long>? takes = null, CancellationToken cancel = default)
        {
            var offer = new JObject { ["verb"] = "offer", ["user_id"] = userId, ["gives"] = Items(gives), ["takes"] = Items(takes) };
            return CallAsync("trade", offer, cancel);
        }

        /// <summary>Accepts the offer that was seen. Another one by now is a <c>conflict</c>, with what is offered as its details.</summary>
        /// <param name="userId">Who has made it.</param>
        /// <param name="version">Its version.</param>
        /// <param name="cancel">Ends it.</param>
        public Task<JObject> AcceptTradeAsync(string userId, long version, CancellationToken cancel = default) =>
            CallAsync("trade", Payload.Of(("verb", "accept"), ("user_id", userId), ("version", version)), cancel);

        /// <summary>Ends what is offered between the two, whoever has offered it.</summary>
        /// <param name="userId">With whom.</param>
        /// <param name="cancel">Ends it.</param>
        public Task<JObject> CancelTradeAsync(string userId, CancellationToken cancel = default) =>
            CallAsync("trade", Payload.Of(("verb", "cancel"), ("user_id", userId)), cancel);

        /// <summary>Claims the day's reward, once however often it is called: <c>{claimed, is_open, streak, reward, next_at, reminds}</c>.</summary>
        /// <param name="cancel">Ends it.</param>
        public Task<JObject> ClaimDailyAsync(CancellationToken cancel = default) => CallAsync("claim_daily", Payload.Of(), cancel);

        /// <summary>The same, and only looks.</summary>
        /// <param name="cancel">Ends it.</param>
        public Task<JObject> DailyAsync(CancellationToken cancel = default) => CallAsync("claim_daily", Payload.Of(("claim", false)), cancel);

        /// <summary>How a season has ended.</summary>
        /// <param name="name">Its name.</param>
        /// <param name="cancel">Ends it.</param>
        public Task<JObject> SeasonAsync(string name, CancellationToken cancel = default) => CallAsync("season", Payload.Of(("name", name)), cancel);

        private static JObject Items(IReadOnlyDictionary<string, long>? items)
        {
            var list = new JObject();
            foreach (var item in items ?? new Dictionary<string, long>()) list[item.Key] = item.Value;
            return list;
        }

        private async Task<string> FriendAsync(string verb, string userId, CancellationToken cancel)
        {
            var args = new[] { Payload.Of(("verb", verb), ("user_id", userId)) };
            return Json.Text(await client.RpcAsync("change_friends", args, null, cancel).ConfigureAwait(false)) ?? throw NotAsExpected("change_friends");
        }

        private async Task<JObject> CallAsync(string script, Payload? argument, CancellationToken cancel)
        {
            var args = argument is Payload given ? new[] { given } : Array.Empty<Payload>();
            var text = Json.Text(await client.RpcAsync(script, args, null, cancel).ConfigureAwait(false));
            return text != null && Json.TryParse(text, out var value, out _) && value is JObject answer ? answer : throw NotAsExpected(script);
        }

        private static GodraException NotAsExpected(string script) =>
            new GodraException("bad_response", $"The answer of {script} is not what the stock script gives");
    }
}
