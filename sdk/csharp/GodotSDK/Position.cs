#nullable enable
namespace GodotSDK
{
    /// <summary>
    /// Where this client is in the room's history: what it asks for when it comes back, and which events it has had already.
    /// </summary>
    internal sealed class Position
    {
        private string? epoch;
        private long? seq;
        private bool isDoubtful;

        /// <summary>What a new connection goes on from; null if everything is to be sent anew.</summary>
        public (string Epoch, long Since)? Resume => epoch == null || seq == null || isDoubtful ? ((string, long)?)null : (epoch, seq.Value);

        /// <summary>The welcome of a connection that goes on changes nothing: the missed events are yet to come.</summary>
        public void Welcome(bool recovered, string? newEpoch, long? newSeq)
        {
            if (!recovered || newEpoch != epoch) Set(newEpoch, newSeq);
        }

        /// <summary>The room at exactly this place. It may be behind what was seen: a store that was restored has gone back.</summary>
        public void Snapshot(string newEpoch, long newSeq) => Set(newEpoch, newSeq);

        /// <summary>Whether this event is new. Gaps are for the server to judge: what is missing was for others.</summary>
        public bool Event(long? eventSeq)
        {
            if (eventSeq == null) return true;
            if (eventSeq <= seq) return false;
            seq = eventSeq;
            return true;
        }

        /// <summary>The server says that all events up to this one have been sent.</summary>
        public void Reached(long? told)
        {
            if (told != null && !(told <= seq)) seq = told;
        }

        /// <summary>Something came that could not be read. It may have been an event, so the next connection asks for the state.</summary>
        public void Doubt() => isDoubtful = true;

        public void Forget() => Set(null, null);

        private void Set(string? newEpoch, long? newSeq)
        {
            epoch = newEpoch;
            seq = newSeq;
            isDoubtful = false;
        }
    }
}
