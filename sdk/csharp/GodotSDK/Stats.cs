#nullable enable
namespace GodotSDK
{
    /// <summary>What went over a room's connections since it was joined. A copy: it does not change any more.</summary>
    public sealed class RoomStats
    {
        /// <summary>Bytes of messages that were received.</summary>
        public long BytesReceived { get; internal set; }

        /// <summary>Bytes of messages that were sent.</summary>
        public long BytesSent { get; internal set; }

        /// <summary>Messages that were received.</summary>
        public long FramesReceived { get; internal set; }

        /// <summary>Messages that were sent.</summary>
        public long FramesSent { get; internal set; }

        /// <summary>Events that the game got.</summary>
        public long Events { get; internal set; }

        /// <summary>Connections after the first.</summary>
        public long Reconnects { get; internal set; }

        /// <summary>Inputs that were not sent: there was no connection, or it was too far behind, or they had become too old.</summary>
        public long Dropped { get; internal set; }

        /// <summary>Messages that could not be read.</summary>
        public long BadMessages { get; internal set; }

        /// <summary>How often the whole state was asked for after such a message.</summary>
        public long Resyncs { get; internal set; }

        internal RoomStats Copy() => (RoomStats)MemberwiseClone();
    }
}
