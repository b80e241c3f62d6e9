#nullable enable
using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;

namespace GodotSDK
{
    /// <summary>An HTTP call.</summary>
    public sealed class HttpAsk
    {
        /// <summary>Describes a call.</summary>
        /// <param name="method">GET, POST, PATCH or DELETE.</param>
        /// <param name="address">The whole address.</param>
        public HttpAsk(string method, Uri address)
        {
            Method = method;
            Address = address;
        }

        /// <summary>GET, POST, PATCH or DELETE.</summary>
        public string Method { get; }

        /// <summary>The whole address.</summary>
        public Uri Address { get; }

        /// <summary>The headers, the token among them.</summary>
        public Dictionary<string, string> Headers { get; } = new Dictionary<string, string>();

        /// <summary>JSON text, or nothing.</summary>
        public string? Body { get; set; }
    }

    /// <summary>What came back from an HTTP call.</summary>
    public sealed class HttpAnswer
    {
        /// <summary>Describes an answer.</summary>
        /// <param name="status">The HTTP status.</param>
        /// <param name="body">The text that came with it.</param>
        public HttpAnswer(int status, string body)
        {
            Status = status;
            Body = body;
        }

        /// <summary>The HTTP status.</summary>
        public int Status { get; }

        /// <summary>The text that came with it.</summary>
        public string Body { get; }

        /// <summary>The header <c>Retry-After</c>.</summary>
        public TimeSpan? RetryAfter { get; set; }

        /// <summary>Whether there is a header <c>Godra-Script</c>: without it no script has run.</summary>
        public bool HasRun { get; set; }
    }

    /// <summary>
    /// HTTP, so that a platform or a test can bring its own. It follows no redirects, as a token must not go to another server, and
    /// throws a <see cref="GodraException"/> with the code <c>unavailable</c> when no answer comes.
    /// </summary>
    public interface IHttp : IDisposable
    {
        /// <summary>Makes the call.</summary>
        /// <param name="ask">The call.</param>
        /// <param name="cancel">Ends it with an <see cref="OperationCanceledException"/>.</param>
        Task<HttpAnswer> SendAsync(HttpAsk ask, CancellationToken cancel);
    }
}
