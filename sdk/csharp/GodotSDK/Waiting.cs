#nullable enable
using System.Threading;
using System.Threading.Tasks;

namespace GodotSDK
{
    /// <summary>Waiting for something that others wait for, too.</summary>
    internal static class Waiting
    {
        public static async Task For(Task task, CancellationToken cancel)
        {
            if (!task.IsCompleted && cancel.CanBeCanceled)
            {
                var cancelled = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
                using (cancel.Register(() => cancelled.TrySetResult(true)))
                {
                    await Task.WhenAny(task, cancelled.Task).ConfigureAwait(false);
                }
                if (!task.IsCompleted) cancel.ThrowIfCancellationRequested();
            }
            await task.ConfigureAwait(false);
        }
    }
}
