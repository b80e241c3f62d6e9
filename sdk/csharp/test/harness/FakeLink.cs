using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using GodotSDK.Testing;
using Newtonsoft.Json.Linq;

namespace GodotSDK.Tests;

/// <summary>A link whose other end is the test.</summary>
internal sealed class FakeLink(LinkRequest request, ILinkListener listener) : ILink
{
    public LinkRequest Request { get; } = request;

    public List<JObject> Sent { get; } = [];

    public (int Code, string Reason)? Closed { get; private set; }

    public bool IsFull { get; set; }

    public bool Send(string text)
    {
        if (IsFull || Closed != null) return false;
        Sent.Add(JObject.Parse(text));
        return true;
    }

    public Task CloseAsync(int code, string reason)
    {
        Closed ??= (code, reason);
        return Task.CompletedTask;
    }

    public void Open() => listener.Opened();

    public void Receive(string text) => _ = listener.ReceivedAsync(text);

    public void Malformed(string why) => listener.Malformed(why);

    public void End(int code, string reason = "") => listener.Ended(new LinkEnd(code, reason) { TellsStatus = true });

    public void Refuse(int status, TimeSpan? retryAfter = null, string body = "<html>no</html>") =>
        listener.Ended(new LinkEnd(1006, "") { Answer = new HttpAnswer(status, body) { RetryAfter = retryAfter }, TellsStatus = true });

    /// <summary>As on platforms that tell nothing about a refusal.</summary>
    public void RefuseBlindly() => listener.Ended(new LinkEnd(1006, ""));

    public void Welcome(string more = "") => Receive($$$"""
        {"type":"welcome","payload":{"user_id":"guest:1","username":"Guest","role":"guest","game_id":"a","epoch":"e1","seq":0,"n":0,
        "recovered":false,"state":{},"sync_interval_ms":50{{{(more == "" ? "" : "," + more)}}}}}
        """);

    public string[] Actions => Sent.Select(input => (string)input["action"]!).ToArray();
}

/// <summary>A client on fake links and HTTP, with time that stands still; handlers run in <c>Poll</c>.</summary>
internal sealed class Stage
{
    public const string Token = "t1";

    public Stage(Action<GodotClientOptions>? change = null)
    {
        var options = new GodotClientOptions
        {
            Dispatch = Dispatch.Manual,
            Clock = Clock,
            Background = run => run(),
            Random = () => Chance,
            Http = Http,
            Link = (request, listener) =>
            {
                Links.Add(new FakeLink(request, listener));
                return Links[^1];
            },
            TokenProvider = _ => Task.FromResult<string?>(Token),
            Log = (_, line) => Logged.Add(line),
            Heartbeat = TimeSpan.Zero,
        };
        change?.Invoke(options);
        Client = new GodotClient("http://fake.test", options);
    }

    public VirtualClock Clock { get; } = new();

    public FakeHttp Http { get; } = new();

    public List<FakeLink> Links { get; } = [];

    public List<string> Logged { get; } = [];

    public List<string> Seen { get; } = [];

    public double Chance { get; set; } = 1;

    public GodotClient Client { get; }

    public Room Room { get; private set; } = null!;

    public FakeLink Link => Links[^1];

    /// <summary>Begins to join, and listens to everything.</summary>
    public Task<Room> Join() => Client.JoinAsync("a", Watch);

    public async Task<Stage> JoinedAsync(string welcome = "")
    {
        var joining = Join();
        // A login that has just ended lets go on the pool.
        await Check.SoonAsync(() => Links.Count > 0, "a connection is being made");
        Link.Open();
        Link.Welcome(welcome);
        await joining;
        Poll();
        return this;
    }

    /// <summary>What the game has seen since the last call.</summary>
    public string[] Poll()
    {
        while (Client.Poll() > 0) { }
        var seen = Seen.ToArray();
        Seen.Clear();
        return seen;
    }

    private void Watch(Room room)
    {
        Room = room;
        room.Connected += welcome => Seen.Add(welcome.Recovered ? "recovered" : "connected");
        room.Reconnecting += args => Seen.Add($"reconnecting {args.Attempt} {args.Delay.TotalMilliseconds:0}");
        room.Disconnected += args => Seen.Add($"disconnected {args.Code} {(args.WillReconnect ? "comes back" : $"over {args.Cause?.Code}")}");
        room.Event += e => Seen.Add($"{e.Type} {e.Payload.ToString(Newtonsoft.Json.Formatting.None)}");
        room.Error += error => Seen.Add($"error {error.Code}");
    }
}
