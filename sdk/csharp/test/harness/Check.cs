using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Linq;
using System.Threading.Tasks;
using Newtonsoft.Json.Linq;

namespace GodotSDK.Tests;

internal sealed class CheckFailed(string message) : Exception(message);

internal static class Check
{
    public static void That(bool isTrue, string what)
    {
        if (!isTrue) throw new CheckFailed(what);
    }

    public static void Equal<T>(T expected, T actual, string what = "")
    {
        if (!EqualityComparer<T>.Default.Equals(expected, actual)) throw new CheckFailed($"{what} expected {expected}, not {actual}");
    }

    public static void List<T>(IEnumerable<T> actual, params T[] expected) =>
        Equal(string.Join(" | ", expected), string.Join(" | ", actual), "list");

    public static void JsonEqual(string expected, JToken? actual)
    {
        var wanted = JToken.Parse(expected);
        if (!JToken.DeepEquals(wanted, actual)) throw new CheckFailed($"expected {expected}, not {actual?.ToString(Newtonsoft.Json.Formatting.None)}");
    }

    public static void Between(double low, double high, double actual, string what = "") =>
        That(actual >= low && actual <= high, $"{what} {actual} is not from {low} to {high}");

    public static async Task<GodraException> FailsAsync(Task task, string code)
    {
        try
        {
            await task;
        }
        catch (GodraException e)
        {
            Equal(code, e.Code, e.Message + ": code");
            return e;
        }
        throw new CheckFailed($"did not fail with {code}");
    }

    public static async Task<T> ThrowsAsync<T>(Func<Task> run)
        where T : Exception
    {
        try
        {
            await run();
        }
        catch (T e)
        {
            return e;
        }
        throw new CheckFailed($"did not throw {typeof(T).Name}");
    }

    /// <summary>Waits until it is true.</summary>
    public static async Task SoonAsync(Func<bool> isTrue, string what, int limitMs = 10_000)
    {
        var watch = Stopwatch.StartNew();
        while (!isTrue())
        {
            if (watch.ElapsedMilliseconds > limitMs) throw new CheckFailed($"not within {limitMs} ms: {what}");
            await Task.Delay(5);
        }
    }
}
