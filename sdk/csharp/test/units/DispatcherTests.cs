using System;
using System.Collections.Concurrent;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;

namespace GodotSDK.Tests;

public static class DispatcherTests
{
    private static readonly Log Quiet = new((_, _) => { });

    public static async Task TestOnThePoolHandlersNeverRunAtTheSameTimeAndInOrder()
    {
        var dispatcher = new Dispatcher(Dispatch.Auto, 10_000, Quiet);
        var (running, seen) = (0, new ConcurrentQueue<int>());
        var most = 0;
        for (var i = 0; i < 5_000; i++)
        {
            var number = i;
            dispatcher.Post(() =>
            {
                most = Math.Max(most, Interlocked.Increment(ref running));
                seen.Enqueue(number);
                Interlocked.Decrement(ref running);
            });
        }
        await Check.SoonAsync(() => seen.Count == 5_000, "all ran");
        Check.Equal(1, most);
        Check.That(seen.SequenceEqual(Enumerable.Range(0, 5_000)), "in order");
    }

    public static void TestByHandTheyRunInPoll()
    {
        var dispatcher = new Dispatcher(Dispatch.Manual, 10, Quiet);
        var seen = 0;
        dispatcher.Post(() => seen += 1);
        dispatcher.Post(() => Check.Equal(0, dispatcher.Poll(), "within a handler:"));
        Check.Equal(0, seen);
        Check.Equal(2, dispatcher.Poll());
        Check.Equal(1, seen);
    }

    public static void TestOneThatThrowsKeepsNoOtherFromRunning()
    {
        var dispatcher = new Dispatcher(Dispatch.Manual, 10, Quiet);
        var seen = 0;
        dispatcher.Post(() => throw new InvalidOperationException("planted"));
        dispatcher.Post(() => seen += 1);
        dispatcher.Poll();
        Check.Equal(1, seen);
    }

    public static async Task TestItTellsWhenThereIsRoomForMore()
    {
        var dispatcher = new Dispatcher(Dispatch.Manual, 2, Quiet);
        Check.That(dispatcher.SpaceAsync().IsCompleted, "empty");
        dispatcher.Post(() => { });
        dispatcher.Post(() => { });
        var space = dispatcher.SpaceAsync();
        Check.That(!space.IsCompleted, "full");
        dispatcher.Poll();
        await space.WaitAsync(TimeSpan.FromSeconds(5));
    }

    public static async Task TestOnTheContextOfWhoMadeTheClient()
    {
        var context = new MainThread();
        var before = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(context);
        var dispatcher = new Dispatcher(Dispatch.Auto, 10, Quiet);
        SynchronizationContext.SetSynchronizationContext(before);
        var thread = 0;
        await Task.Run(() => dispatcher.Post(() => thread = Environment.CurrentManagedThreadId));
        context.RunAll();
        Check.Equal(Environment.CurrentManagedThreadId, thread);
    }

    private sealed class MainThread : SynchronizationContext
    {
        private readonly ConcurrentQueue<Action> posted = new();

        public override void Post(SendOrPostCallback callback, object? state) => posted.Enqueue(() => callback(state));

        public void RunAll()
        {
            while (posted.TryDequeue(out var action)) action();
        }
    }
}
