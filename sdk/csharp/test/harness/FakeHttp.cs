using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;

namespace GodotSDK.Tests;

/// <summary>Answers calls as the test says: by their method and path, in turn, and the last answer for ever.</summary>
internal sealed class FakeHttp : IHttp
{
    private readonly Dictionary<string, Queue<Func<HttpAsk, Task<HttpAnswer>>>> routes = [];

    public List<HttpAsk> Asked { get; } = [];

    public FakeHttp On(string call, params Func<HttpAsk, Task<HttpAnswer>>[] answers)
    {
        routes[call] = new Queue<Func<HttpAsk, Task<HttpAnswer>>>(answers);
        return this;
    }

    public FakeHttp On(string call, int status, string body) => On(call, _ => Task.FromResult(new HttpAnswer(status, body)));

    public int Calls(string call) => Asked.Count(ask => NameOf(ask) == call);

    public Task<HttpAnswer> SendAsync(HttpAsk ask, CancellationToken cancel)
    {
        lock (Asked) Asked.Add(ask);
        if (!routes.TryGetValue(NameOf(ask), out var answers)) throw new GodraException("unavailable", $"nobody answers {NameOf(ask)}");
        lock (answers) return (answers.Count > 1 ? answers.Dequeue() : answers.Peek())(ask);
    }

    public void Dispose()
    {
    }

    /// <summary>A login whose token is tN and refresh token rN.</summary>
    public static string Login(int number, string user = "guest:1", int expiresIn = 86_400) =>
        $$"""{"token":"t{{number}}","refresh_token":"r{{number}}","expires_in":{{expiresIn}},"user_id":"{{user}}","username":"U","role":"guest"}""";

    public static Func<HttpAsk, Task<HttpAnswer>> Answer(int status, string body) => _ => Task.FromResult(new HttpAnswer(status, body));

    private static string NameOf(HttpAsk ask) => $"{ask.Method} {ask.Address.AbsolutePath}";
}
