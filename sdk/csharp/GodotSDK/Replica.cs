#nullable enable
using System;
using System.Collections.Generic;
using Newtonsoft.Json.Linq;

namespace GodotSDK
{
    /// <summary>
    /// Applies an event to a room's state: changes <paramref name="state"/> and gives it back, or gives another one.
    /// </summary>
    /// <param name="state">The room's state until now.</param>
    /// <param name="e">The event.</param>
    public delegate JToken Reducer(JToken state, RoomEvent e);

    /// <summary>The room's state as this client knows it. Lives on the thread of the handlers.</summary>
    internal sealed class Replica
    {
        private readonly Dictionary<string, Reducer> reducers = new Dictionary<string, Reducer>();
        private volatile JToken state = JValue.CreateNull();

        public JToken State => state;

        public void Add(string type, Reducer reducer)
        {
            lock (reducers) reducers[type] = reducer;
        }

        public void Welcome(Welcome welcome)
        {
            // A copy, so that the welcome stays what the server sent.
            if (!welcome.Recovered) state = welcome.State.DeepClone();
        }

        /// <summary>Whether anything may have changed.</summary>
        public bool Apply(RoomEvent e)
        {
            if (e.Type == "snapshot")
            {
                state = e.Payload.DeepClone();
                return true;
            }
            Reducer? reducer;
            lock (reducers) reducers.TryGetValue(e.Type, out reducer);
            if (reducer == null) return false;
            state = reducer(state, e) ?? throw new InvalidOperationException($"The reducer of {e.Type} gave no state: give back the one that it got");
            return true;
        }
    }
}
