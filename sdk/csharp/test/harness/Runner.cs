using System;
using System.Collections.Generic;
using System.Linq;
using System.Reflection;
using System.Threading.Tasks;

namespace GodotSDK.Tests;

/// <summary>Every public static method whose name starts with Test, in classes whose name ends with Tests.</summary>
public static class Runner
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <summary>With arguments only the tests whose full name contains one of them.</summary>
    public static async Task<int> Main(string[] wanted)
    {
        var (passed, failed) = (0, 0);
        foreach (var test in AllTests().Where(test => wanted.Length == 0 || wanted.Any(NameOf(test).Contains)))
        {
            var startedAt = SystemClock.Instance.NowMs;
            var error = await RunAsync(test);
            var took = $"({SystemClock.Instance.NowMs - startedAt:0} ms)";
            if (error == null) passed += 1;
            else failed += 1;
            Console.WriteLine(error == null ? $"ok {NameOf(test)} {took}" : $"FAILED {NameOf(test)} {took}\n{error}");
        }
        Console.WriteLine($"{passed} passed, {failed} failed");
        return failed == 0 && passed > 0 ? 0 : 1;
    }

    private static IEnumerable<MethodInfo> AllTests() => Assembly.GetExecutingAssembly().GetTypes()
        .Where(type => type.Name.EndsWith("Tests"))
        .OrderBy(type => type.Namespace + type.Name)
        .SelectMany(type => type.GetMethods(BindingFlags.Public | BindingFlags.Static))
        .Where(method => method.Name.StartsWith("Test"));

    private static string NameOf(MethodInfo test) => $"{test.DeclaringType!.Name}.{test.Name}";

    private static async Task<Exception?> RunAsync(MethodInfo test)
    {
        try
        {
            var running = Task.Run(async () =>
            {
                if (test.Invoke(null, null) is Task task) await task;
            });
            await running.WaitAsync(Limit);
            return null;
        }
        catch (Exception e)
        {
            return e is TargetInvocationException { InnerException: Exception inner } ? inner : e;
        }
    }
}
