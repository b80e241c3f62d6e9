using System.Collections.Generic;
using System.Linq;
using System.Threading.Tasks;
using Newtonsoft.Json.Linq;

namespace GodotSDK.Tests;

/// <summary>What players keep, against the real server and its stock scripts.</summary>
public static class PlayersTests
{
    private static async Task<(GodotClient Client, Players Players, string Id)> PlayerAsync(string url, string name)
    {
        var client = new GodotClient(url, new GodotClientOptions { Log = (_, _) => { } });
        await client.Auth.RegisterAsync(name, "long enough 8");
        var session = await client.Auth.LoginAsync(name, "long enough 8");
        return (client, new Players(client), session.UserId);
    }

    private static async Task RefusedAsync(string code, Task call)
    {
        try
        {
            await call;
        }
        catch (GodraException e)
        {
            Check.Equal(code, e.Code);
            return;
        }
        Check.That(false, "refused: " + code);
    }

    public static async Task TestProfilesFriendsTradesAndOwnData()
    {
        using var server = await GodraServer.StartAsync();
        var (annClient, ann, annId) = await PlayerAsync(server.Url, "ann");
        var (benClient, ben, benId) = await PlayerAsync(server.Url, "ben");
        await using var _ = annClient;
        await using var __ = benClient;

        Check.Equal("ann", (string?)(await ann.ProfileAsync())["name"]);
        var changed = await ann.SetProfileAsync(new JObject { ["name"] = "Ann", ["settings"] = new JObject { ["volume"] = 0.5 } });
        Check.Equal(0.5, (double)changed["settings"]!["volume"]!);
        await RefusedAsync("conflict", ann.SetProfileAsync(Payload.Of(("version", 1), ("name", "A"))));
        Check.Equal("Ann", (string?)(await ben.ViewProfileAsync(annId))["name"]);
        await RefusedAsync("not_found", ann.AskFriendAsync(benId));
        await ben.ProfileAsync();
        Check.Equal("asked", await ann.AskFriendAsync(benId));
        Check.Equal("none", await ben.RemoveFriendAsync(annId));
        Check.Equal("friends", await ben.AcceptFriendAsync(annId));
        Check.Equal(benId, (string?)(await ann.FriendsAsync())["friends"]![0]!["user_id"]);

        Check.Equal(true, (bool)(await ann.DailyAsync())["is_open"]!);
        Check.Equal(true, (bool)(await ann.ClaimDailyAsync())["claimed"]!);
        Check.Equal(false, (bool)(await ann.ClaimDailyAsync())["claimed"]!);
        var offer = await ann.OfferTradeAsync(benId, new Dictionary<string, long> { ["coin"] = 4 });
        var seen = (await ben.InventoryAsync())["offers"]![0]!;
        Check.Equal((long)offer["version"]!, (long)seen["version"]!);
        await RefusedAsync("conflict", ben.AcceptTradeAsync(annId, (long)seen["version"]! + 1));
        Check.Equal(4, (int)(await ben.AcceptTradeAsync(annId, (long)seen["version"]!))["items"]!["coin"]!);
        await ann.OfferTradeAsync(benId, null, new Dictionary<string, long> { ["coin"] = 1 });
        Check.Equal("none", (string?)(await ben.CancelTradeAsync(annId))["status"]);
        await RefusedAsync("not_found", ann.SeasonAsync("none"));

        Check.Equal("blocked", await ben.BlockAsync(annId));
        await RefusedAsync("not_found", ann.ViewProfileAsync(benId));
        Check.Equal("none", await ben.UnblockAsync(annId));
        Check.Equal("asked", await ann.AskFriendAsync(benId));
        Check.Equal("none", await ben.DeclineFriendAsync(annId));

        // What was just saved is in the database a moment later.
        var collections = new List<string?>();
        for (var round = 0; round < 200 && collections.Count < 4; round++)
        {
            var documents = (JArray)(await annClient.Auth.DataAsync())["documents"]!;
            collections = documents.Select(one => (string?)one["collection"]).ToList();
            await Task.Delay(20);
        }
        Check.Equal("daily friends inventory profile", string.Join(" ", collections));
        var page = await annClient.Auth.DataAsync(limit: 1);
        var next = await annClient.Auth.DataAsync((string?)page["cursor"], 1);
        Check.Equal("friends", (string?)next["documents"]![0]!["collection"]);
        Check.Equal("ann", (string?)(await annClient.Auth.DocumentAsync("profile", annId))["value"]!["username"]);
    }
}
