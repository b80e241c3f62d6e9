#if NET7_0_OR_GREATER
#nullable enable
using System;
using System.IO;
using System.Net;
using System.Net.Http;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;

namespace GodotSDK
{
    /// <summary>
    /// What carries one WebSocket's opening where .NET lets us. By itself ClientWebSocket tells neither what a refusal says nor whether a
    /// close frame was empty, and asks up to three times more if the server hangs up.
    /// </summary>
    internal sealed class Handshake : DelegatingHandler
    {
        private FrameWatch? frames;
        private bool hasConnected;

        public Handshake()
        {
            InnerHandler = new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, ConnectCallback = ConnectAsync };
        }

        /// <summary>What was answered in place of the WebSocket.</summary>
        public HttpAnswer? Refusal { get; private set; }

        /// <summary>Whether somebody has taken the WebSocket, whatever became of it then.</summary>
        public bool IsTaken => frames != null;

        /// <summary>Whether the server closed without a code.</summary>
        public bool HasEmptyClose => frames?.HasEmptyClose == true;

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancel)
        {
            var response = await base.SendAsync(request, cancel).ConfigureAwait(false);
            if (response.StatusCode != HttpStatusCode.SwitchingProtocols)
            {
                Refusal = await Http.AnswerOf(response, cancel).ConfigureAwait(false);
                return response;
            }
            frames = new FrameWatch(await response.Content.ReadAsStreamAsync(cancel).ConfigureAwait(false));
            response.Content = new Watched(frames);
            return response;
        }

        // When to try again is for the room to say.
        private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancel)
        {
            if (hasConnected) throw new IOException("the server hung up");
            hasConnected = true;
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await socket.ConnectAsync(context.DnsEndPoint, cancel).ConfigureAwait(false);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        }

        private sealed class Watched : HttpContent
        {
            private readonly Stream stream;

            public Watched(Stream stream)
            {
                this.stream = stream;
            }

            protected override Stream CreateContentReadStream(CancellationToken cancel) => stream;

            protected override Task<Stream> CreateContentReadStreamAsync() => Task.FromResult(stream);

            protected override Task SerializeToStreamAsync(Stream target, TransportContext? context) => stream.CopyToAsync(target);

            protected override bool TryComputeLength(out long length)
            {
                length = 0;
                return false;
            }
        }
    }
}
#endif
