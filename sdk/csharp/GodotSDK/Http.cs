#nullable enable
using System;
using System.IO;
using System.Net.Http;
using System.Net.Sockets;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace GodotSDK
{
    /// <summary>HTTP by <see cref="HttpClient"/>.</summary>
    internal sealed class Http : IHttp
    {
        private const int MaxBodyBytes = 16 << 20;
        private const int SwitchingProtocols = 101;

        private readonly HttpClient client = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false, UseCookies = false })
        {
            // The callers have their own limits.
            Timeout = Timeout.InfiniteTimeSpan,
        };

        public async Task<HttpAnswer> SendAsync(HttpAsk ask, CancellationToken cancel)
        {
            try
            {
                using var request = RequestOf(ask);
                using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancel).ConfigureAwait(false);
                return await AnswerOf(response, cancel).ConfigureAwait(false);
            }
            catch (Exception e) when (e is HttpRequestException || e is IOException || e is InvalidOperationException)
            {
                throw new GodraException("unavailable", $"The server at {ask.Address.GetLeftPart(UriPartial.Authority)} cannot be reached: {e.Message}", e)
                {
                    IsUnsent = e.InnerException is SocketException socket && socket.SocketErrorCode == SocketError.ConnectionRefused,
                };
            }
        }

        public void Dispose() => client.Dispose();

        internal static async Task<HttpAnswer> AnswerOf(HttpResponseMessage response, CancellationToken cancel)
        {
            var status = (int)response.StatusCode;
            var body = status == SwitchingProtocols ? "" : await ReadAsync(response.Content, cancel).ConfigureAwait(false);
            return new HttpAnswer(status, body) { RetryAfter = RetryAfterOf(response), HasRun = response.Headers.Contains("Godra-Script") };
        }

        private static HttpRequestMessage RequestOf(HttpAsk ask)
        {
            var request = new HttpRequestMessage(new HttpMethod(ask.Method), ask.Address);
            foreach (var header in ask.Headers) request.Headers.TryAddWithoutValidation(header.Key, header.Value);
            if (ask.Body != null) request.Content = new StringContent(ask.Body, Encoding.UTF8, "application/json");
            return request;
        }

        // By hand, as an unknown charset in the header makes HttpContent throw.
        private static async Task<string> ReadAsync(HttpContent content, CancellationToken cancel)
        {
            using var stream = await content.ReadAsStreamAsync().ConfigureAwait(false);
            using var body = new MemoryStream();
            var buffer = new byte[16 * 1024];
            int count;
            while ((count = await stream.ReadAsync(buffer, 0, buffer.Length, cancel).ConfigureAwait(false)) > 0)
            {
                body.Write(buffer, 0, count);
                if (body.Length > MaxBodyBytes) throw new IOException($"its answer is longer than {MaxBodyBytes} bytes");
            }
            return Encoding.UTF8.GetString(body.GetBuffer(), 0, (int)body.Length);
        }

        private static TimeSpan? RetryAfterOf(HttpResponseMessage response)
        {
            var header = response.Headers.RetryAfter;
            var wait = header?.Delta ?? header?.Date - DateTimeOffset.UtcNow;
            return wait < TimeSpan.Zero ? TimeSpan.Zero : wait;
        }
    }
}
