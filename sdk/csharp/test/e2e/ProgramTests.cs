using System;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading.Tasks;

namespace GodotSDK.Tests;

/// <summary>The README's quickstart and the example, as they stand, as programs of their own.</summary>
public static class ProgramTests
{
    private static Process Start(string program, string[] args)
    {
        var dotnet = Path.Combine(Environment.GetEnvironmentVariable("DOTNET_ROOT")!, "dotnet");
        var start = new ProcessStartInfo(dotnet) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var arg in new[] { "exec", Path.Combine(AppContext.BaseDirectory, program) }.Concat(args)) start.ArgumentList.Add(arg);
        return Process.Start(start)!;
    }

    private static async Task<string> RunAsync(string program, params string[] args)
    {
        using var process = Start(program, args);
        process.StandardInput.Close();
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(20));
        Check.Equal("", await errors, program);
        Check.Equal(0, process.ExitCode, program);
        return await output;
    }

    /// <summary>A program that runs on, with somebody at its keyboard.</summary>
    private sealed class Running : IDisposable
    {
        private readonly Process process;
        private readonly StringBuilder said = new();

        public Running(string program, params string[] args)
        {
            process = Start(program, args);
            process.OutputDataReceived += (_, line) => Hear(line.Data);
            process.ErrorDataReceived += (_, line) => Hear(line.Data);
            process.BeginOutputReadLine();
            process.BeginErrorReadLine();
        }

        public string Said
        {
            get { lock (said) return said.ToString(); }
        }

        public Task SaysAsync(Func<string, bool> isIt, string what) => Check.SoonAsync(() => isIt(Said), what);

        public void Write(string line) => process.StandardInput.WriteLine(line);

        public async Task EndAsync()
        {
            process.StandardInput.Close();
            await process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(20));
            Check.Equal(0, process.ExitCode, Said);
        }

        public void Dispose()
        {
            if (!process.HasExited) process.Kill();
            process.Dispose();
        }

        private void Hear(string? line)
        {
            lock (said) said.AppendLine(line);
        }
    }

    public static async Task TestTwoPlayersOfTheQuickstartSeeEachOther()
    {
        using var server = await GodraServer.StartAsync();
        using var ann = new Running("Quickstart.dll", server.Url);
        await ann.SaysAsync(said => said.Contains("In lobby "), "Ann is in");
        using var bob = new Running("Quickstart.dll", server.Url, Regex.Match(ann.Said, "In lobby ([^:]+):").Groups[1].Value);
        await bob.SaysAsync(said => said.Contains("In lobby "), "Bob is in");
        await ann.SaysAsync(said => Regex.Matches(said, "guest:").Count >= 3, "Ann sees Bob come");
        bob.Write("hello");
        await ann.SaysAsync(said => said.Contains(": hello") && said.Contains("\"x\": 5"), "Ann reads it, and sees where Bob is");
        await bob.SaysAsync(said => said.Contains(": hello"), "Bob reads it, too");
        await bob.EndAsync();
        await ann.EndAsync();
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
