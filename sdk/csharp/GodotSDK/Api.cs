#nullable enable
using System;
using System.Threading;
using System.Threading.Tasks;
using Newtonsoft.Json.Linq;

namespace GodotSDK
{
    /// <summary>JSON over HTTP, with time limits, and failures turned into exceptions.</summary>
    internal sealed class Api : IDisposable
    {
        private readonly Uri baseAddress;
        private readonly IHttp http;
        private readonly TimeSpan timeout;

        public Api(Uri baseAddress, IHttp http, TimeSpan timeout)
        {
            this.baseAddress = baseAddress;
            this.http = http;
            this.timeout = timeout;
        }

        public Task<JObject> PostAsync(string path, Payload body, string? token, CancellationToken cancel) =>
            CallAsync("POST", path, body, token, cancel);

        /// <summary>A call with a body, by any method.</summary>
        public Task<JObject> CallAsync(string method, string path, Payload body, string? token, CancellationToken cancel)
        {
            var ask = new HttpAsk(method, new Uri(baseAddress, path)) { Body = body.Text };
            return JsonAsync(path, ask, token, cancel);
        }

        public Task<JObject> GetAsync(string path, string? token, CancellationToken cancel) =>
            JsonAsync(path, new HttpAsk("GET", new Uri(baseAddress, path)), token, cancel);

        /// <summary>The answer, whatever its status.</summary>
        public async Task<HttpAnswer> SendAsync(string path, HttpAsk ask, CancellationToken cancel)
        {
            using var limited = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            limited.CancelAfter(timeout);
            try
            {
                return await http.SendAsync(ask, limited.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
            {
                throw new GodraException("timeout", $"No answer to {path} within {timeout.TotalMilliseconds} ms");
            }
        }

        /// <summary>The address of something on the server, by HTTP.</summary>
        public Uri AddressOf(string path) => new Uri(baseAddress, path);

        public void Dispose() => http.Dispose();

        /// <summary>The object that is answered; an empty one with 204.</summary>
        private async Task<JObject> JsonAsync(string path, HttpAsk ask, string? token, CancellationToken cancel)
        {
            if (token != null) ask.Headers["Authorization"] = $"Bearer {token}";
            var answer = await SendAsync(path, ask, cancel).ConfigureAwait(false);
            if (answer.Status == 204) return new JObject();
            if (answer.Status < 200 || answer.Status > 299) throw ErrorOf(answer);
            if (Json.TryParse(answer.Body, out var body, out _) && body is JObject fields) return fields;
            throw new GodraException("bad_response", $"The answer to {path} is not a JSON object") { Status = answer.Status };
        }

        private static GodraException ErrorOf(HttpAnswer answer)
        {
            var error = Errors.OfAnswer(answer);
            error.HasRun = answer.HasRun;
            return error;
        }
    }
}
