using System;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Threading.Tasks;

namespace GodotSDK.Tests;

/// <summary>The README's quickstart and the example, as they stand, as programs of their own.</summary>
public static class ProgramTests
{
    private static async Task<string> RunAsync(string program, params string[] args)
    {
        var dotnet = Path.Combine(Environment.GetEnvironmentVariable("DOTNET_ROOT")!, "dotnet");
        var start = new ProcessStartInfo(dotnet) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var arg in new[] { "exec", Path.Combine(AppContext.BaseDirectory, program) }.Concat(args)) start.ArgumentList.Add(arg);
        using var process = Process.Start(start)!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(20));
        Check.Equal("", await errors, program);
        Check.Equal(0, process.ExitCode, program);
        return await output;
    }

    public static async Task TestTheQuickstart()
    {
        using var server = await GodraServer.StartAsync();
        var said = await RunAsync("Quickstart.dll", server.Url);
        Check.That(said.StartsWith("Guest") && said.Contains(": hi\n"), said);
    }

    public static void TestTheQuickstartIsShort()
    {
        var root = Environment.GetEnvironmentVariable("GODRA_REPOSITORY") ?? Directory.GetCurrentDirectory();
        var code = File.ReadAllText(Path.Combine(root, "sdk/csharp/GodotSDK/README.md")).Split("```csharp\n")[1].Split("```")[0];
        Check.Between(5, 19, code.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length, "lines");
    }

    public static async Task TestTheArenaBots()
    {
        using var server = await GodraServer.StartAsync();
        var said = await RunAsync("ArenaBot.dll", server.Url, "--bots", "3", "--seconds", "2.5");
        Check.Equal(3, said.Split('\n').Count(line => line.Contains(" leaves at ")), said);
        Check.That(said.Contains(": hello Guest"), said);
    }
}
