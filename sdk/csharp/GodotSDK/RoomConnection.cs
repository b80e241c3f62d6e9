#nullable enable
namespace GodotSDK
{
    /// <summary>The life of a <see cref="Room"/>: joining, then joined and rejoining in turn, then left for good.</summary>
    public enum RoomConnection
    {
        /// <summary>On the way to the first welcome.</summary>
        Joining,

        /// <summary>Connected.</summary>
        Joined,

        /// <summary>The connection was lost, and is being made again.</summary>
        Rejoining,

        /// <summary>Over. Join again for another room object.</summary>
        Left,
    }
}
