using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Diagnostics;
using System.Linq;
using System.Threading.Tasks;
using GodotSDK.Tests;

namespace GodotSDK.Bench;

/// <summary>
/// Two players in a room of the real server, which stops in good order, is away for a moment, and starts again. One of them goes on
/// saying numbered things by requests that run once; both must hear each of them once, in order.
/// </summary>
internal static class Restarts
{
    private const int AwayMs = 300;
    private const int SayEveryMs = 20;

    private sealed class Player
    {
        public readonly List<int> Heard = [];
        public readonly BlockingCollection<double> BackAt = [];
        public GodotClient Client = null!;
        public Room Room = null!;

        public static async Task<Player> EnterAsync(string url, string? lobby)
        {
            // Restarts follow each other so fast that they would count as one long outage, in which attempts become rare.
            var reconnect = new ReconnectOptions { StableAfter = TimeSpan.FromMilliseconds(50) };
            var player = new Player { Client = new GodotClient(url, new GodotClientOptions { Log = (_, _) => { }, Reconnect = reconnect }) };
            await player.Client.Auth.EnsureAsync();
            player.Room = lobby == null
                ? await player.Client.CreateRoomAsync(prepare: player.Watch)
                : await player.Client.JoinAsync(lobby, player.Watch);
            return player;
        }

        private void Watch(Room room)
        {
            room.On("chat", e =>
            {
                lock (Heard) Heard.Add(int.Parse((string)e.Payload["message"]!));
            });
            room.Connected += _ => BackAt.Add(Now);
        }
    }

    private static double Now => Stopwatch.GetTimestamp() * 1000.0 / Stopwatch.Frequency;

    public static async Task<int> MeasureAsync(int count)
    {
        using var server = await GodraServer.StartAsync();
        var speaker = await Player.EnterAsync(server.Url, null);
        var listener = await Player.EnterAsync(server.Url, speaker.Room.Id);
        var players = new[] { speaker, listener };
        foreach (var player in players) player.BackAt.Take();
        var (waits, answers, isOver) = (new List<double>(), new List<Task>(), false);
        var speaking = Task.Run(async () =>
        {
            for (var number = 0; !isOver; number++)
            {
                answers.Add(speaker.Room.RequestAsync("send_chat", Payload.Of(("message", $"{number}")), new RequestOptions { Once = true }));
                if (answers.Count >= 40) await answers[^40];
                await Task.Delay(SayEveryMs);
            }
        });
        for (var round = 0; round < count; round++)
        {
            await server.TerminateAsync();
            await Task.Delay(AwayMs);
            await server.RestartAsync();
            var upAt = Now;
            foreach (var player in players) waits.Add(Math.Max(0, Back(player) - upAt));
            await Task.Delay(100);
        }
        isOver = true;
        await speaking;
        await Task.WhenAll(answers).WaitAsync(TimeSpan.FromSeconds(20));
        await Check.SoonAsync(() => players.All(player => Count(player) >= answers.Count), "all is heard");
        await Task.Delay(200);
        waits.Sort();
        var isRight = players.All(player => player.Heard.SequenceEqual(Enumerable.Range(0, answers.Count)));
        Console.WriteLine($"{count} restarts, {AwayMs} ms away each: back after {waits[waits.Count / 2]:0} ms (median; most {waits[^1]:0} ms)");
        Console.WriteLine($"{answers.Count} numbered inputs: heard once each and in order by both players: {isRight}");
        foreach (var player in players) await player.Client.DisposeAsync();
        return isRight && waits[waits.Count / 2] <= 1_000 ? 0 : 1;
    }

    private static int Count(Player player)
    {
        lock (player.Heard) return player.Heard.Count;
    }

    private static double Back(Player player) =>
        player.BackAt.TryTake(out var at, TimeSpan.FromSeconds(20)) ? at : throw new CheckFailed("a player did not come back");
}
