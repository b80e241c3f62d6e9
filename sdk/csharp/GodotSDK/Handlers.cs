#nullable enable
using System;
using System.Collections.Generic;

namespace GodotSDK
{
    /// <summary>Who listens to which type of event.</summary>
    internal sealed class Handlers
    {
        private readonly Dictionary<string, Action<RoomEvent>[]> byType = new Dictionary<string, Action<RoomEvent>[]>();

        public IDisposable Add(string type, Action<RoomEvent> handler)
        {
            lock (byType)
            {
                // A new array each time, so that a delivery under way is not disturbed.
                byType.TryGetValue(type, out var before);
                var after = new List<Action<RoomEvent>>(before ?? Array.Empty<Action<RoomEvent>>()) { handler };
                byType[type] = after.ToArray();
            }
            return new Ending(() => Remove(type, handler));
        }

        public Action<RoomEvent>[] Of(string type)
        {
            lock (byType) return byType.TryGetValue(type, out var found) ? found : Array.Empty<Action<RoomEvent>>();
        }

        private void Remove(string type, Action<RoomEvent> handler)
        {
            lock (byType)
            {
                var left = new List<Action<RoomEvent>>(Of(type));
                left.Remove(handler);
                byType[type] = left.ToArray();
            }
        }
    }
}
