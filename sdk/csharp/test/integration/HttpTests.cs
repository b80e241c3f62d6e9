using System;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;

namespace GodotSDK.Tests;

public static class HttpTests
{
    private static (FakeServer Server, GodotClient Client) Open(int timeoutMs = 10_000, string game = "")
    {
        var server = new FakeServer();
        var options = new GodotClientOptions { RequestTimeout = TimeSpan.FromMilliseconds(timeoutMs), Game = game, Log = (_, _) => { } };
        server.Route("POST /guest-login", new Response(200, FakeHttp.Login(1)));
        return (server, new GodotClient(server.Url, options));
    }

    private static async Task<GodraException> RpcFailsAsync(Response response, string code)
    {
        var (server, client) = Open();
        using (server)
        using (client)
        {
            await client.Auth.GuestAsync();
            server.Route("POST /api/rpc", response);
            return await Check.FailsAsync(client.RpcAsync("x"), code);
        }
    }

    public static async Task TestACall()
    {
        var (server, client) = Open();
        using var _ = server;
        await client.Auth.EnsureAsync();
        server.Route("POST /api/rpc", new Response(200, """{"result":{"a":[1]}}"""));
        Check.JsonEqual("""{"a":[1]}""", await client.RpcAsync("x", new Payload[] { 1, "ä" }, new[] { "game:a" }));
        var seen = server.Requests.Last();
        Check.Equal("Bearer t1", seen.Headers["authorization"]);
        Check.Equal("""{"script":"x","args":[1,"ä"],"keys":["game:a"]}""", seen.Body);
        Check.That(seen.Headers["content-type"].StartsWith("application/json"), "says what it is");
    }

    public static async Task TestErrorsWithAllTheirParts()
    {
        var error = await RpcFailsAsync(new Response(429, """{"error":{"code":"rate_limited","message":"slow down","details":[1]}}""", "Retry-After: 5\r\n"), "rate_limited");
        Check.Equal((429, "slow down", 5.0), (error.Status, error.Message, error.RetryAfter!.Value.TotalSeconds));
        Check.JsonEqual("[1]", error.Details);
        Check.That(error.IsRetryable, "later");
    }

    public static async Task TestRetryAfterAsADate()
    {
        var date = DateTimeOffset.UtcNow.AddSeconds(60).ToString("r");
        var error = await RpcFailsAsync(new Response(503, "", $"Retry-After: {date}\r\n"), "unavailable");
        Check.Between(50, 61, error.RetryAfter!.Value.TotalSeconds);
    }

    public static async Task TestAProxysErrorPage()
    {
        foreach (var (status, code) in new[] { (502, "unavailable"), (413, "too_large"), (404, "not_found"), (418, "bad_response") })
        {
            await RpcFailsAsync(new Response(status, "<html>no</html>"), code);
        }
    }

    public static async Task TestAnswersThatMakeNoSense()
    {
        foreach (var body in new[] { "", "[]", "7", "{", "{}", new string('[', 100_000), "{\"result\":\"\\ud800\"}" }) await RpcFailsAsync(new Response(200, body), "bad_response");
        await RpcFailsAsync(new Response(200, "{}", "Content-Type: text/html; charset=nonsense\r\n"), "bad_response");
    }

    public static async Task TestARedirectIsNotFollowed()
    {
        using var other = new FakeServer();
        await RpcFailsAsync(new Response(307, "", $"Location: {other.Url}/api/rpc\r\n"), "bad_response");
        Check.Equal(0, other.Requests.Count);
    }

    public static async Task TestNoAnswerInTime()
    {
        var (server, client) = Open(timeoutMs: 100);
        using var _ = server;
        server.Routes["POST /guest-login"] = async request =>
        {
            await Task.Delay(5_000);
            return new Response(200);
        };
        await Check.FailsAsync(client.Auth.GuestAsync(), "timeout");
    }

    public static async Task TestCancelling()
    {
        var (server, client) = Open();
        using var _ = server;
        server.Routes["POST /guest-login"] = async request =>
        {
            await Task.Delay(5_000);
            return new Response(200);
        };
        using var cancel = new CancellationTokenSource(50);
        await Check.ThrowsAsync<OperationCanceledException>(() => client.Auth.GuestAsync(cancel.Token));
    }

    public static void TestBadAddresses()
    {
        foreach (var address in new[] { "", "localhost", "ftp://x", "/path", "http://" })
        {
            try
            {
                using var client = new GodotClient(address);
            }
            catch (ArgumentException)
            {
                continue;
            }
            throw new CheckFailed($"took {address}");
        }
    }

    public static async Task TestBadLobbyIdsMakeNoCall()
    {
        var (server, client) = Open();
        using var _ = server;
        foreach (var id in new[] { "", "game:", "a b", "ä", new string('a', 65), "game:game:a" }) await Check.FailsAsync(client.JoinAsync(id), "bad_request");
        Check.Equal(0, server.Requests.Count);
    }

    public static async Task TestAClientOfAnotherGameSaysSo()
    {
        var (server, client) = Open(game: "chess");
        using var _ = server;
        await client.Auth.EnsureAsync();
        server.Route("POST /api/rpc", new Response(200, """{"result":"OK"}"""));
        await client.RpcAsync("join_lobby", null, new[] { "game:a" });
        Check.Equal("""{"script":"join_lobby","args":[],"keys":["game:a"],"game":"chess"}""", server.Requests.Last().Body);
        var count = server.Requests.Count;
        foreach (var id in new[] { "go~a", "~a", "chess~", "chess~chess~a" }) await Check.FailsAsync(client.JoinAsync(id), "bad_request");
        Check.Equal(count, server.Requests.Count);
        foreach (var game in new[] { "Chess", "a b", "9x", "chess~", new string('g', 33) })
        {
            var isRefused = false;
            try { Open(game: game); }
            catch (ArgumentException) { isRefused = true; }
            Check.Equal(true, isRefused);
        }
    }

    public static async Task TestAPageOfLobbies()
    {
        var (server, client) = Open();
        using var _ = server;
        await client.Auth.EnsureAsync();
        server.Route("POST /api/rpc", new Response(200, """{"result":"{\"lobbies\":[{\"id\":\"game:a\",\"members\":2,\"capacity\":4,\"created_at\":5}],\"cursor\":\"c\"}"}"""));
        var page = await client.ListRoomsAsync();
        Check.Equal(("game:a", 2, 4, "c"), (page.Lobbies[0].Id, page.Lobbies[0].Members, page.Lobbies[0].Capacity, page.Cursor));
        server.Route("POST /api/rpc", new Response(200, """{"result":"nonsense"}"""));
        await Check.FailsAsync(client.ListRoomsAsync(), "bad_response");
    }

    public static async Task TestAClosedClientSaysSo()
    {
        var (server, client) = Open();
        using var _ = server;
        await client.DisposeAsync();
        await client.DisposeAsync();
        await Check.ThrowsAsync<ObjectDisposedException>(() => client.JoinAsync("a"));
    }
}
