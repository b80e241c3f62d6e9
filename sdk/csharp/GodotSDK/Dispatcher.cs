#nullable enable
using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;

namespace GodotSDK
{
    /// <summary>Runs what the game is to hear of: one after the other, in order, on the thread that the game wants.</summary>
    internal sealed class Dispatcher
    {
        private readonly object gate = new object();
        private readonly Queue<Action> waiting = new Queue<Action>();
        private readonly SynchronizationContext? context;
        private readonly bool isManual;
        private readonly int maxWaiting;
        private readonly Log log;
        private bool isScheduled;
        private bool isRunning;
        private TaskCompletionSource<bool>? space;

        public Dispatcher(Dispatch mode, int maxWaiting, Log log)
        {
            isManual = mode == Dispatch.Manual;
            context = isManual ? null : SynchronizationContext.Current;
            this.maxWaiting = maxWaiting;
            this.log = log;
        }

        public void Post(Action action)
        {
            lock (gate)
            {
                waiting.Enqueue(action);
                if (isManual || isScheduled) return;
                isScheduled = true;
            }
            Schedule();
        }

        /// <summary>Runs what waits now, and tells how much that was; 0 within a handler.</summary>
        public int Poll() => RunWaiting();

        /// <summary>Done when there is room for more.</summary>
        public Task SpaceAsync()
        {
            lock (gate)
            {
                if (waiting.Count < maxWaiting) return Task.CompletedTask;
                space ??= new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
                return space.Task;
            }
        }

        private void Schedule()
        {
            if (context != null) context.Post(_ => RunScheduled(), null);
            else ThreadPool.QueueUserWorkItem(_ => RunScheduled());
        }

        // What comes meanwhile runs in the next round, so that a busy room leaves the main thread time for a frame.
        private void RunScheduled()
        {
            RunWaiting();
            lock (gate)
            {
                isScheduled = waiting.Count > 0;
                if (!isScheduled) return;
            }
            Schedule();
        }

        private int RunWaiting()
        {
            Action[] round;
            lock (gate)
            {
                if (isRunning) return 0;
                isRunning = true;
                round = waiting.ToArray();
                waiting.Clear();
            }
            foreach (var action in round) Run(action);
            lock (gate)
            {
                isRunning = false;
                if (waiting.Count < maxWaiting) space?.TrySetResult(true);
                if (waiting.Count < maxWaiting) space = null;
            }
            return round.Length;
        }

        private void Run(Action action)
        {
            try
            {
                action();
            }
            catch (Exception e)
            {
                log.Error($"a handler failed: {e}");
            }
        }
    }
}
