#nullable enable
using System;
using System.Threading;

namespace GodotSDK
{
    /// <summary>Ends something once, however often it is disposed.</summary>
    internal sealed class Ending : IDisposable
    {
        private Action? end;

        public Ending(Action end)
        {
            this.end = end;
        }

        public void Dispose() => Interlocked.Exchange(ref end, null)?.Invoke();
    }
}
