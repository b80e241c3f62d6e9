using System;
using System.Threading.Tasks;

namespace GodotSDK.Bench;

internal static class Program
{
    public static async Task<int> Main(string[] args)
    {
        switch (args)
        {
            case ["events"]: return await Events.MeasureAsync();
            case ["serve", var perFrame]: return await Events.ServeAsync(int.Parse(perFrame));
            case ["restarts"]: return await Restarts.MeasureAsync(100);
            case ["restarts", var count]: return await Restarts.MeasureAsync(int.Parse(count));
            default:
                Console.Error.WriteLine("usage: run [events | restarts [COUNT]]");
                return 2;
        }
    }
}
