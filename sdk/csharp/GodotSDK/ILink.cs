#nullable enable
using System;
using System.Threading.Tasks;

namespace GodotSDK
{
    /// <summary>One WebSocket, from its making to its end.</summary>
    public interface ILink
    {
        /// <summary>Sends a text message in the order of the calls; false if it is not open, or too far behind.</summary>
        /// <param name="text">The message.</param>
        bool Send(string text);

        /// <summary>Ends it from this side; it tells nothing any more from here on. Never throws.</summary>
        /// <param name="code">The close code to send.</param>
        /// <param name="reason">The reason to send, at most 100 characters of it.</param>
        Task CloseAsync(int code, string reason);
    }

    /// <summary>Who hears what a link receives. The calls come one after the other.</summary>
    public interface ILinkListener
    {
        /// <summary>The server has accepted the connection.</summary>
        void Opened();

        /// <summary>A whole message came. The link reads on when the task is done.</summary>
        /// <param name="text">The message.</param>
        Task ReceivedAsync(string text);

        /// <summary>A message came that cannot be one of the server's.</summary>
        /// <param name="why">What is wrong with it.</param>
        void Malformed(string why);

        /// <summary>It is over; called once, and nothing follows.</summary>
        /// <param name="end">How it ended.</param>
        void Ended(LinkEnd end);
    }

    /// <summary>Makes a link, which begins to connect at once. It does not call its listener before it is given back.</summary>
    /// <param name="request">Where to.</param>
    /// <param name="listener">Who hears of it.</param>
    public delegate ILink LinkFactory(LinkRequest request, ILinkListener listener);

    /// <summary>Where a link leads to.</summary>
    public sealed class LinkRequest
    {
        /// <summary>Describes one.</summary>
        /// <param name="address">The address, <c>ws</c> or <c>wss</c>.</param>
        /// <param name="token">Goes as the subprotocol <c>bearer.TOKEN</c> beside <c>godra</c>, which keeps it out of logs.</param>
        /// <param name="maxBufferedBytes">With more unsent bytes than this nothing is sent.</param>
        /// <param name="maxMessageBytes">A longer message is malformed.</param>
        public LinkRequest(Uri address, string token, int maxBufferedBytes, int maxMessageBytes)
        {
            Address = address;
            Token = token;
            MaxBufferedBytes = maxBufferedBytes;
            MaxMessageBytes = maxMessageBytes;
        }

        /// <summary>The address, <c>ws</c> or <c>wss</c>.</summary>
        public Uri Address { get; }

        /// <summary>The access token.</summary>
        public string Token { get; }

        /// <summary>With more unsent bytes than this nothing is sent.</summary>
        public int MaxBufferedBytes { get; }

        /// <summary>A longer message is malformed.</summary>
        public int MaxMessageBytes { get; }
    }

    /// <summary>How a link ended.</summary>
    public sealed class LinkEnd
    {
        /// <summary>Describes an end.</summary>
        /// <param name="code">The close code; 1006 without one.</param>
        /// <param name="reason">What the other side said, or what failed.</param>
        public LinkEnd(int code, string reason)
        {
            Code = code;
            Reason = reason;
        }

        /// <summary>The close code; 1006 without one.</summary>
        public int Code { get; }

        /// <summary>What the other side said, or what failed.</summary>
        public string Reason { get; }

        /// <summary>The HTTP status of a refusal, where the platform tells.</summary>
        public int? Status { get; set; }

        /// <summary>The header <c>Retry-After</c> of a refusal, where the platform tells.</summary>
        public TimeSpan? RetryAfter { get; set; }

        /// <summary>Whether the platform would have told a <see cref="Status"/> if the server had answered.</summary>
        public bool TellsStatus { get; set; }

        /// <summary>What a refusal says, where the platform tells; then nobody needs to ask again by HTTP.</summary>
        public HttpAnswer? Answer { get; set; }

        /// <summary>Whether the token cannot be sent, because of its characters.</summary>
        public bool IsBadToken { get; set; }

        /// <summary>Whether it ended because a message could not be read, so that the room's state is in doubt.</summary>
        public bool IsUnreadable { get; set; }

        /// <summary>Whether somebody took the connection who speaks another protocol.</summary>
        public bool IsNoAnswer { get; set; }
    }
}
