using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Text;
using System.Threading.Tasks;
using GodotSDK.Tests;

namespace GodotSDK.Bench;

/// <summary>What 20,000 events a second cost: a scripted server in another process sends positions of 100 players, which reducers apply.</summary>
internal static class Events
{
    private const int PerSecond = 20_000;
    private const int TickMs = 50;
    private const int Players = 100;
    private const int Warmup = 3 * PerSecond;
    private const int Measured = 10 * PerSecond;

    public static async Task<int> MeasureAsync()
    {
        Console.WriteLine($".NET {Environment.Version}, {Environment.ProcessorCount} cores; {PerSecond} events a second of about 85 bytes, with LobbyReducers and a handler");
        var isGood = true;
        foreach (var perFrame in new[] { PerSecond * TickMs / 1000, 10, 1 })
        {
            var share = await MeasureAsync(perFrame);
            isGood &= share <= 0.30;
        }
        return isGood ? 0 : 1;
    }

    private static async Task<double> MeasureAsync(int perFrame)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true, RedirectStandardInput = true };
        foreach (var arg in new[] { "exec", Environment.GetCommandLineArgs()[0], "serve", $"{perFrame}" }) start.ArgumentList.Add(arg);
        using var server = Process.Start(start)!;
        var url = (await server.StandardOutput.ReadLineAsync())!;
        await using var client = new GodotClient(url, new GodotClientOptions
        {
            TokenProvider = _ => Task.FromResult<string?>("t"),
            Reducers = LobbyReducers.All,
        });
        var (count, last, isInOrder) = (0, 0L, true);
        var reached = new TaskCompletionSource();
        var (cpu, clock) = (TimeSpan.Zero, new Stopwatch());
        await client.JoinAsync("a", room => room.On("player_moved", e =>
        {
            isInOrder &= e.Seq == last + 1;
            last = e.Seq!.Value;
            count += 1;
            if (count == Warmup) (cpu, _) = (Spent(), Restart(clock));
            if (count == Warmup + Measured) reached.TrySetResult();
        }));
        await reached.Task.WaitAsync(TimeSpan.FromSeconds(60));
        var share = (Spent() - cpu) / clock.Elapsed;
        server.Kill();
        await server.WaitForExitAsync();
        Console.WriteLine($"{perFrame,4} events a frame: {Measured / clock.Elapsed.TotalSeconds:0} events a second take {share:P1} of a core; in order: {isInOrder}");
        return isInOrder ? share : 1;
    }

    private static TimeSpan Spent() => Process.GetCurrentProcess().TotalProcessorTime;

    private static bool Restart(Stopwatch clock)
    {
        clock.Restart();
        return true;
    }

    /// <summary>The server: prints its address, and sends to whoever comes.</summary>
    public static async Task<int> ServeAsync(int perFrame)
    {
        using var server = new FakeServer();
        Console.WriteLine(server.Url);
        var peer = await server.NextPeerAsync();
        var players = string.Join(",", Enumerable.Range(0, Players).Select(id => $$"""
            "{{id}}":{"user_id":"{{id}}","username":"Player{{id}}","x":0,"y":0}
            """));
        await peer.WelcomeAsync($$"""
            "state":{"players":{ {{players}} } }
            """);
        var (clock, sent) = (Stopwatch.StartNew(), 0L);
        while (sent < Warmup + Measured + PerSecond)
        {
            var due = clock.ElapsedMilliseconds / TickMs * TickMs * PerSecond / 1000;
            if (due > sent) await peer.SendBytesAsync(Frames(sent, due, perFrame));
            sent = Math.Max(sent, due);
            await Task.Delay(5);
        }
        return 0;
    }

    private static byte[] Frames(long from, long to, int perFrame)
    {
        using var bytes = new MemoryStream();
        for (var first = from; first < to; first += perFrame)
        {
            var events = Enumerable.Range(0, (int)Math.Min(perFrame, to - first)).Select(more => Event(first + more + 1)).ToList();
            var text = events.Count == 1 ? events[0] : $$"""{"type":"batch","events":[{{string.Join(",", events)}}]}""";
            Add(bytes, Encoding.UTF8.GetBytes(text));
        }
        return bytes.ToArray();
    }

    private static string Event(long seq) => FormattableString.Invariant(
        $$"""{"type":"player_moved","payload":{"user_id":"{{seq % Players}}","x":{{seq % 1000 + 0.25}},"y":{{seq % 777 + 0.5}} },"seq":{{seq}} }""");

    private static void Add(MemoryStream frames, byte[] payload)
    {
        Span<byte> head = stackalloc byte[10];
        head[0] = 0x81;
        var length = payload.Length < 126 ? 2 : payload.Length < 65536 ? 4 : 10;
        head[1] = (byte)(length == 2 ? payload.Length : length == 4 ? 126 : 127);
        if (length == 4) BinaryPrimitives.WriteUInt16BigEndian(head[2..], (ushort)payload.Length);
        if (length == 10) BinaryPrimitives.WriteInt64BigEndian(head[2..], payload.Length);
        frames.Write(head[..length]);
        frames.Write(payload);
    }
}
