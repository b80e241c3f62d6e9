using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using GodotSDK;

/// <summary>
/// Bots that run around in a lobby, and say something to whoever comes. Play with them in the server's demo:
/// dotnet run -- http://localhost:8080 --lobby ID --bots 3
/// </summary>
internal static class ArenaBot
{
    private const double Speed = 150;
    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(50);

    private static async Task<int> Main(string[] args)
    {
        var url = args.FirstOrDefault(arg => arg.StartsWith("http", StringComparison.Ordinal)) ?? "http://localhost:8080";
        var bots = int.Parse(Option(args, "--bots") ?? "1", CultureInfo.InvariantCulture);
        using var stop = new CancellationTokenSource();
        if (Option(args, "--seconds") is string seconds) stop.CancelAfter(TimeSpan.FromSeconds(double.Parse(seconds, CultureInfo.InvariantCulture)));
        Console.CancelKeyPress += (_, e) =>
        {
            e.Cancel = true;
            stop.Cancel();
        };
        var lobby = Option(args, "--lobby") ?? await MakeLobbyAsync(url, stop.Token);
        Console.WriteLine($"lobby {lobby}");
        await Task.WhenAll(Enumerable.Range(0, bots).Select(number => PlayAsync(url, lobby, number, stop.Token)));
        return 0;
    }

    private static async Task<string> MakeLobbyAsync(string url, CancellationToken stop)
    {
        await using var client = new GodotClient(url);
        await client.Auth.EnsureAsync(stop);
        return (string)(await client.RpcAsync("create_lobby", new Payload[] { 16 }, null, stop))!;
    }

    private static async Task PlayAsync(string url, string lobby, int number, CancellationToken stop)
    {
        // One after the other, so that each sees the next one come.
        await Task.Delay(200 * number, stop);
        await using var client = new GodotClient(url, new GodotClientOptions { Reducers = LobbyReducers.All });
        await client.Auth.EnsureAsync(stop);
        var room = await client.JoinAsync(lobby, r => Watch(r, number), stop);
        var me = room.Welcome!.UserId;
        var (x, y, heading, random) = (500.0, 500.0, number * 1.3, new Random(number));
        try
        {
            while (room.Connection != RoomConnection.Left)
            {
                heading += (random.NextDouble() - 0.5) * 0.6;
                x = Math.Clamp(x + Math.Cos(heading) * Speed * Step.TotalSeconds, 0, 1000);
                y = Math.Clamp(y + Math.Sin(heading) * Speed * Step.TotalSeconds, 0, 1000);
                room.SendLatest("move_player", new Dictionary<string, object?> { ["x"] = x, ["y"] = y });
                await Task.Delay(Step, stop);
            }
        }
        catch (OperationCanceledException)
        {
            Console.WriteLine($"bot {number} ({me}) leaves at {x:0},{y:0}; the room took {room.Latency?.TotalMilliseconds ?? 0:0} ms to answer");
        }
        await room.LeaveAsync();
    }

    private static void Watch(Room room, int number)
    {
        room.On("player_joined", e => Greet(room, (string?)e.Payload["user_id"], (string?)e.Payload["username"]));
        room.On("chat", e => Console.WriteLine($"bot {number} hears {e.Payload["username"]}: {e.Payload["message"]}"));
        room.Reconnecting += next => Console.WriteLine($"bot {number}: connection lost, try {next.Attempt} in {next.Delay.TotalMilliseconds:0} ms");
        room.Disconnected += end =>
        {
            if (!end.WillReconnect) Console.WriteLine($"bot {number}: over ({end.Code} {end.Cause?.Message ?? end.Reason})");
        };
    }

    private static void Greet(Room room, string? userId, string? name)
    {
        if (userId != room.Welcome?.UserId) room.Send("send_chat", Payload.Of(("message", $"hello {name}")));
    }

    private static string? Option(string[] args, string name)
    {
        var at = Array.IndexOf(args, name);
        return at >= 0 && at + 1 < args.Length ? args[at + 1] : null;
    }
}
