using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.RegularExpressions;

namespace GodotSDK.Tests;

/// <summary>What the compiler does not check in the SDK's own source.</summary>
public static class StyleTests
{
    private static IEnumerable<(string File, string Text)> Sources()
    {
        var root = Path.Combine(Environment.GetEnvironmentVariable("GODRA_REPOSITORY") ?? Directory.GetCurrentDirectory(), "sdk/csharp/GodotSDK");
        var files = Directory.GetFiles(root, "*.cs", SearchOption.AllDirectories).Select(file => (Path.GetRelativePath(root, file), File.ReadAllText(file))).ToList();
        Check.That(files.Count > 30, "the source is there");
        return files;
    }

    private static void None(string pattern, Func<string, bool>? isMeant = null)
    {
        var found = Sources().Where(source => isMeant?.Invoke(source.File) ?? true)
            .SelectMany(source => Regex.Matches(source.Text, pattern).Select(match => $"{source.File}: {match.Value.Trim()}")).ToList();
        Check.That(found.Count == 0, string.Join("\n", found));
    }

    private static bool IsCore(string file) => !file.StartsWith("Godot/") && !file.StartsWith("Unity/");

    public static void TestEveryAwaitSaysWhereItGoesOn() => None(@"\bawait (?![^;]*ConfigureAwait\(false\))[^;]*", IsCore);

    public static void TestNothingIsAsyncVoid() => None(@"async void");

    public static void TestNothingBlocks() => None(@"\.Result\b|\.Wait\(|\.GetAwaiter\(\)\.GetResult|Thread\.Sleep", IsCore);

    public static void TestNothingIsReflected() =>
        None(@"System\.Reflection|JsonConvert\.(?!ToString)|\.ToObject|FromObject|Activator|GetProperties", file => IsCore(file) && file != "Payload.cs");

    public static void TestFilesAndLinesStaySmall()
    {
        var tooLong = Sources().Where(source => source.Text.Count(c => c == '\n') > 250).Select(source => source.File).ToList();
        Check.That(tooLong.Count == 0, string.Join(", ", tooLong));
        None(@"(?m)^.{161,}$");
    }
}
