// Uses the C# SDK as a game would, as the judge commands (../../DRIVER.md).

using System;
using System.Collections.Concurrent;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using GodotSDK;
using Newtonsoft.Json.Linq;

var channel = new Channel(Environment.GetEnvironmentVariable("CONTROL")!);
var players = new ConcurrentDictionary<string, Player>();
var running = new ConcurrentDictionary<string, CancellationTokenSource>();
var stores = Directory.CreateTempSubdirectory("godra-driver-").FullName;

channel.Tell(new JObject
{
    ["hello"] = new JObject
    {
        ["sdk"] = "csharp",
        ["version"] = Environment.GetEnvironmentVariable("GODRA_SDK_VERSION"),
        ["platform"] = $".NET {Environment.Version}",
        ["can"] = new JArray("status", "headers", "wake", "offline", "cancel", "throw", "ints", "binary", "reducers", "stats", "file_store", "tabs"),
        ["why"] = new JObject { ["surrogates"] = "texts of .NET could hold half of a pair, but UTF-8 cannot: such a message is reported" },
    },
});
await foreach (var command in channel.CommandsAsync())
{
    if ((string?)command["do"] == "exit") break;
    _ = RunAsync(command);
}
foreach (var player in players.Values) await player.DisposeAsync();
await channel.Sent;
Directory.Delete(stores, recursive: true);

async Task RunAsync(JObject command)
{
    var id = (string)command["id"]!;
    using var cancel = running[id] = new CancellationTokenSource();
    try
    {
        var value = await DoAsync(command, cancel.Token);
        channel.Tell(new JObject { ["id"] = id, ["value"] = value });
    }
    catch (Exception e)
    {
        channel.Tell(new JObject { ["id"] = id, ["error"] = Report.Of(e) });
    }
    running.TryRemove(id, out _);
}

async Task<JToken?> DoAsync(JObject command, CancellationToken cancel)
{
    var name = (string?)command["client"] ?? "c";
    switch ((string?)command["do"])
    {
        case "new":
            var of = command["id"]!;
            var made = players[name] = new Player((string)command["url"]!, OptionsOf((JObject)command["options"]!), report =>
            {
                report["of"] = of;
                channel.Tell(report);
            });
            if (command["options"]!["session"] != null) await made.ResumeAsync();
            return null;
        case "cancel":
            if (running.TryGetValue((string)command["target"]!, out var target)) target.Cancel();
            return null;
        case "drop":
            var all = command["client"] == null;
            foreach (var key in players.Keys) if ((all || key == name) && players.TryRemove(key, out var player)) await player.DisposeAsync();
            return null;
        default: return await players[name].DoAsync(command, cancel);
    }
}

GodotClientOptions OptionsOf(JObject given)
{
    void Set(string option, Action<TimeSpan> set)
    {
        if ((double?)given[option] is double ms) set(TimeSpan.FromMilliseconds(ms));
    }
    var reconnect = new ReconnectOptions();
    var options = new GodotClientOptions { Reconnect = (bool?)given["reconnect"] == false ? null : reconnect, Log = (_, _) => { } };
    Set("first_delay_ms", value => reconnect.FirstDelay = value);
    Set("max_delay_ms", value => reconnect.MaxDelay = value);
    Set("stable_ms", value => reconnect.StableAfter = value);
    Set("heartbeat_ms", value => options.Heartbeat = value);
    Set("request_timeout_ms", value => options.RequestTimeout = value);
    Set("connect_timeout_ms", value => options.ConnectTimeout = value);
    if ((int?)given["max_message_bytes"] is int bytes) options.MaxMessageBytes = bytes;
    if ((string?)given["store"] is string store) options.SessionStore = new FileSessionStore(Path.Combine(stores, Convert.ToHexString(System.Text.Encoding.UTF8.GetBytes(store))));
    if (given["session"] is JObject session) options.SessionStore = Kept(session, options.SessionStore ?? new MemorySessionStore());
    return options;
}

// As an earlier run of the game has left it. Neither store needs to wait for anything then.
static ISessionStore Kept(JObject session, ISessionStore store)
{
    store.SaveAsync(Session.FromJson(session.ToString())!).GetAwaiter().GetResult();
    return store;
}
