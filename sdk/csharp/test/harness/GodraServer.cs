using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading.Tasks;

namespace GodotSDK.Tests;

/// <summary>Starts the real server for a test: on a free port, in a folder of its own, with the repository's scripts.</summary>
internal sealed class GodraServer : IDisposable
{
    private const int StartLimitMs = 15_000;

    private readonly string folder = Directory.CreateTempSubdirectory("godra-test-").FullName;
    private readonly string[] more;
    private readonly StringBuilder output = new();
    private Process process = null!;

    private GodraServer(string[] more)
    {
        this.more = more;
    }

    public int Port { get; private set; }

    public string Url => $"http://127.0.0.1:{Port}";

    private static string Repository => Environment.GetEnvironmentVariable("GODRA_REPOSITORY") ?? Directory.GetCurrentDirectory();

    public static async Task<GodraServer> StartAsync(params string[] more)
    {
        var server = new GodraServer(more);
        await server.RunAsync(0);
        return server;
    }

    /// <summary>Ends it at once, as a crash does.</summary>
    public async Task KillAsync()
    {
        process.Kill();
        await process.WaitForExitAsync();
    }

    /// <summary>Starts it again after its end: at the same address, with the data that it had.</summary>
    public Task RestartAsync() => RunAsync(Port);

    /// <summary>Forgets the rooms, as a store does that has lost its data.</summary>
    public void LoseState()
    {
        foreach (var file in Directory.GetFiles(folder, "state.db*")) File.Delete(file);
    }

    /// <summary>Asks it to stop in good order, and waits until it has.</summary>
    public async Task TerminateAsync()
    {
        using var kill = Process.Start("kill", $"-TERM {process.Id}");
        await process.WaitForExitAsync();
    }

    public void Dispose()
    {
        if (!process.HasExited) process.Kill();
        process.WaitForExit();
        Directory.Delete(folder, recursive: true);
    }

    private async Task RunAsync(int port)
    {
        lock (output) output.Clear();
        var start = new ProcessStartInfo(Binary()) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        // Tokens outlive a restart with a fixed secret.
        string[] args =
        [
            "--host", "127.0.0.1", "--port", port.ToString(), "--scripts-dir", Path.Combine(Repository, "scripts"),
            "--db-dsn", Path.Combine(folder, "game.db"), "--jwt-secret", "only for tests: thirty-two bytes and more", .. more,
        ];
        foreach (var arg in args) start.ArgumentList.Add(arg);
        process = Process.Start(start)!;
        process.OutputDataReceived += (_, line) => Add(line.Data);
        process.ErrorDataReceived += (_, line) => Add(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        await Check.SoonAsync(() => process.HasExited || ListeningPort() != null, "the server listens", StartLimitMs);
        Port = ListeningPort() ?? throw new CheckFailed($"the server ended; it printed:\n{output}");
    }

    private void Add(string? line)
    {
        lock (output) output.AppendLine(line);
    }

    private int? ListeningPort()
    {
        lock (output)
        {
            var found = Regex.Match(output.ToString(), @"listening on \S*:(\d+)");
            return found.Success ? int.Parse(found.Groups[1].Value) : null;
        }
    }

    private static string Binary()
    {
        var built = new[] { "release", "debug" }.Select(profile => Path.Combine(Repository, "target", profile, "godra"));
        var named = Environment.GetEnvironmentVariable("GODRA_BIN");
        IEnumerable<string> candidates = string.IsNullOrEmpty(named) ? built : [Path.GetFullPath(named)];
        // Of two builds the newer one is meant.
        return candidates.Where(File.Exists).OrderByDescending(File.GetLastWriteTimeUtc).FirstOrDefault()
            ?? throw new CheckFailed("no server to test: build it first (cargo build), or name it in GODRA_BIN");
    }
}
