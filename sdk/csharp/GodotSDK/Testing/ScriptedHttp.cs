#nullable enable
using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Newtonsoft.Json.Linq;

namespace GodotSDK.Testing
{
    /// <summary>Logs everybody in, and answers RPCs as the test says.</summary>
    internal sealed class ScriptedHttp : IHttp
    {
        private readonly Dictionary<string, Func<IReadOnlyList<JToken>, Payload>> scripts = new Dictionary<string, Func<IReadOnlyList<JToken>, Payload>>();
        private int logins;

        public Session? Player { get; private set; }

        public void OnRpc(string script, Func<IReadOnlyList<JToken>, Payload> answer) => scripts[script] = answer;

        public Task<HttpAnswer> SendAsync(HttpAsk ask, CancellationToken cancel)
        {
            cancel.ThrowIfCancellationRequested();
            var body = ask.Body != null && Json.TryParse(ask.Body, out var parsed, out _) ? parsed as JObject : null;
            return Task.FromResult(Answer(ask.Address.AbsolutePath, body ?? new JObject()));
        }

        public void Dispose()
        {
        }

        private HttpAnswer Answer(string path, JObject body)
        {
            switch (path)
            {
                case "/guest-login": return Login("guest:test", "Guest", "guest");
                case "/login":
                case "/account/upgrade": return Login("1", Json.Text(body["username"]) ?? "", "player");
                case "/refresh": return Login(Player?.UserId ?? "guest:test", Player?.Username ?? "Guest", Player?.Role ?? "guest");
                case "/register": return new HttpAnswer(201, Payload.Of(("user_id", "1"), ("username", body["username"]), ("role", "player")).Text);
                case "/account": return new HttpAnswer(200, (Player?.ToJson()) ?? "{}");
                case "/api/rpc": return Rpc(Json.Text(body["script"]) ?? "", body["args"] as JArray ?? new JArray());
                default: return new HttpAnswer(204, "");
            }
        }

        private HttpAnswer Login(string userId, string username, string role)
        {
            logins += 1;
            var login = Payload.Of(
                ("token", $"token-{logins}"), ("refresh_token", $"refresh-{logins}"), ("expires_in", 86_400),
                ("user_id", userId), ("username", username), ("role", role)).Text;
            Player = Session.FromJson(login);
            return new HttpAnswer(200, login);
        }

        private HttpAnswer Rpc(string script, JArray args)
        {
            if (!scripts.TryGetValue(script, out var answer)) return Error(404, "not_found", $"The test answers no RPC of {script}", null);
            try
            {
                return new HttpAnswer(200, Payload.Of(("result", answer(args.ToList()))).Text) { HasRun = true };
            }
            catch (GodraException e)
            {
                return Error(400, e.Code, e.Message, e.Details);
            }
        }

        private static HttpAnswer Error(int status, string code, string message, JToken? details)
        {
            var error = Payload.Of(("code", code), ("message", message), ("details", details));
            return new HttpAnswer(status, Payload.Of(("error", error)).Text) { HasRun = status == 400 };
        }
    }
}
