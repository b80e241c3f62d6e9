using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using System.Text.Json;
using System.Threading.Tasks;
using Newtonsoft.Json.Linq;

namespace GodotSDK.Tests;

/// <summary>A server, or somebody on the way, that sends what no server should.</summary>
public static class HostileTests
{
    private static readonly string[] Good =
    [
        """{"type":"moved","payload":{"user_id":"7","x":1.5,"y":-2e3,"ok":[true,false,null]},"seq":1}""",
        """{"type":"batch","events":[{"type":"a","payload":"ä\ud83d\ude00\n","seq":1},{"type":"b","seq":2},{"type":"batch","events":[]}]}""",
        """{"type":"snapshot","payload":{"a":{"b":[1,[2,[3]]]}},"epoch":"e1","seq":9}""",
        """{"type":"reply","id":1,"result":{"n":0,"seq":5,"now":1795913806123}}""",
        """{"type":"error","id":1,"n":1,"payload":{"code":"no","message":"m","details":[0.5]}}""",
        """{"type":"welcome","payload":{"user_id":"1","epoch":"e1","seq":1,"n":2,"recovered":true,"state":null,"sync_interval_ms":50}}""",
    ];

    private static readonly string[] Pieces =
    [
        "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "\\ud800", "0", "-", "9007199254740993", "1e999", "null", "true", "\"seq\":", "\"type\":", "{}", "[]",
        "-1", "\0", "\u2028", "'", "/*", "NaN", " ", "\t", ".", "e", "\"7\"", "18446744073709551616",
    ];

    private static string Mutate(string text, Random random)
    {
        var result = new StringBuilder(text);
        for (var times = random.Next(1, 4); times > 0; times--)
        {
            var at = random.Next(result.Length);
            if (random.Next(3) == 0) result.Remove(at, Math.Min(random.Next(1, 6), result.Length - at));
            else result.Insert(at, Pieces[random.Next(Pieces.Length)]);
            if (result.Length == 0) result.Append(' ');
        }
        return result.ToString();
    }

    private static IEnumerable<string> Mutations(int seed, int count)
    {
        var random = new Random(seed);
        for (var i = 0; i < count; i++) yield return Mutate(Good[random.Next(Good.Length)], random);
    }

    /// <summary>The reader takes exactly what another strict one takes, and reads the same in it.</summary>
    public static void TestTheReaderTakesJsonAndNothingElse()
    {
        var taken = 0;
        foreach (var text in Mutations(1, 30_000).Concat(Good))
        {
            var isOurs = Json.TryParse(text, out var ours, out _);
            Check.Equal(IsJson(text), isOurs, text);
            if (!isOurs) continue;
            taken += 1;
            var theirs = JsonDocument.Parse(text).RootElement;
            Check.That(IsSame(theirs, ours!), text);
        }
        Check.That(taken > 1_000, $"only {taken} were JSON");
    }

    private static bool IsJson(string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = 512 });
            return HasWholeTexts(document.RootElement);
        }
        catch (JsonException)
        {
            return false;
        }
    }

    // It notices half of a surrogate pair only when the text is asked for.
    private static bool HasWholeTexts(JsonElement element)
    {
        try
        {
            return element.ValueKind switch
            {
                JsonValueKind.String => element.GetString() != null,
                JsonValueKind.Array => element.EnumerateArray().All(HasWholeTexts),
                JsonValueKind.Object => element.EnumerateObject().All(member => member.Name != null && HasWholeTexts(member.Value)),
                _ => true,
            };
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    private static bool IsSame(JsonElement theirs, JToken ours) => theirs.ValueKind switch
    {
        JsonValueKind.String => theirs.GetString() == Json.Text(ours),
        JsonValueKind.Number => theirs.GetDouble().Equals(Convert.ToDouble(((JValue)ours).Value)),
        JsonValueKind.True or JsonValueKind.False => ours.Type == JTokenType.Boolean && theirs.GetBoolean() == (bool)ours,
        JsonValueKind.Array => theirs.GetArrayLength() == ((JArray)ours).Count && theirs.EnumerateArray().Zip(ours).All(pair => IsSame(pair.First, pair.Second)),
        // Of members with one name the last counts.
        JsonValueKind.Object => theirs.EnumerateObject().GroupBy(member => member.Name).All(group => IsSame(group.Last().Value, ours[group.Key]!)),
        _ => ours.Type == JTokenType.Null,
    };

    public static async Task TestNothingThatComesEndsARoomOrIsAnEventOfAnotherShape()
    {
        var stage = await new Stage(o => o.Reducers = LobbyReducers.All).JoinedAsync();
        _ = stage.Room.RequestAsync("x", default, new RequestOptions { Once = true });
        stage.Room.Event += e => Check.That(e.Type != null && e.Payload != null && !(e.Seq <= 0) && e.Type != "welcome", "an event");
        foreach (var text in Mutations(2, 20_000))
        {
            stage.Link.Receive(text);
            Check.That(!stage.Poll().Contains("error handler_failed"), text);
        }
        Check.Equal(RoomConnection.Joined, stage.Room.Connection);
        stage.Link.Receive("""{"type":"snapshot","payload":{},"epoch":"e9","seq":1}""");
        stage.Link.Receive("""{"type":"fine","seq":2}""");
        Check.Equal("fine null", stage.Poll()[^1]);
    }

    public static async Task TestNothingInTheFirstMessageIsACrash()
    {
        foreach (var text in Mutations(3, 3_000))
        {
            var stage = new Stage();
            var joining = stage.Join();
            stage.Link.Open();
            stage.Link.Receive(text);
            if (stage.Room.Connection == RoomConnection.Joining) stage.Link.Welcome();
            try
            {
                await joining;
            }
            catch (GodraException)
            {
                // Refused by what came.
            }
            stage.Poll();
        }
    }

    public static async Task TestReducersSurviveEventsOfAnyShape()
    {
        var random = new Random(4);
        string[] values = ["null", "7", "\"7\"", "[]", "{}", "true", """{"user_id":7}""", """{"user_id":"7"}""", """{"action":"set","payload":[]}""", """{"action":"set","payload":{"a":null}}""", """{"old_id":{},"user_id":"7"}"""];
        foreach (var state in new[] { "null", "7", "[]", "{}", """{"players":[]}""", """{"players":{"7":1}}""", """{"players":7,"state":"x"}""" })
        {
            var stage = await new Stage(o => o.Reducers = LobbyReducers.All).JoinedAsync($"\"state\":{state}");
            foreach (var type in LobbyReducers.All.Keys)
            {
                foreach (var value in values.OrderBy(_ => random.Next())) stage.Link.Receive($$"""{"type":"{{type}}","payload":{{value}} }""");
            }
            Check.That(!stage.Poll().Contains("error handler_failed"), state);
        }
    }

    public static async Task TestAnAnswerOfAnyShapeIsAnErrorOfTheSdk()
    {
        string[] bodies = ["", "null", "7", "[]", "{}", "{", """{"result":null}""", """{"token":7}""", """{"token":"t","user_id":"1","expires_in":-1}""", """{"error":7}""", """{"error":{"code":7,"message":[]}}""", """{"token":"t","user_id":"1","expires_in":1e300,"refresh_token":"r"}""", "<html>"];
        foreach (var status in new[] { 200, 201, 204, 302, 400, 401, 403, 418, 500, 599 })
        {
            foreach (var body in bodies)
            {
                var http = new FakeHttp();
                foreach (var call in new[] { "guest-login", "register", "api/rpc", "refresh", "logout" }) http.On($"POST /{call}", status, body);
                http.On("GET /account", status, body);
                await using var client = new GodotClient("http://fake.test", new GodotClientOptions { Http = http, Log = (_, _) => { } });
                foreach (var call in new Func<Task>[]
                {
                    () => client.Auth.GuestAsync(), () => client.Auth.RegisterAsync("a", "b"), () => client.RpcAsync("x"), () => client.Auth.AccountAsync(),
                    () => client.ListRoomsAsync(), () => client.Auth.RefreshAsync(), () => client.Auth.LogoutAsync(),
                })
                {
                    try
                    {
                        await call();
                    }
                    catch (GodraException)
                    {
                        // Any of them.
                    }
                }
            }
        }
    }
}
