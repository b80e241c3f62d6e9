#nullable enable
using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading.Tasks;
using Newtonsoft.Json.Linq;

namespace GodotSDK.Testing
{
    /// <summary>
    /// A room without a server, for the tests of a game: the test says what the server sends, and sees what the game sent. There is no
    /// network, time stands still until <see cref="Advance"/>, and handlers run within the calls that cause them, on the test's thread.
    /// </summary>
    public sealed class FakeRoom : IDisposable
    {
        private readonly VirtualClock clock = new VirtualClock();
        private readonly ScriptedHttp http = new ScriptedHttp();
        private readonly List<SentInput> sent = new List<SentInput>();
        private ScriptedLink? link;
        private Room? room;
        private long seq;
        private long n;

        /// <summary>Makes the client; give that to the game.</summary>
        /// <param name="configure">Sets options of the game's own. Transport, clock and dispatch are the test's.</param>
        public FakeRoom(Action<GodotClientOptions>? configure = null)
        {
            var options = new GodotClientOptions { Heartbeat = TimeSpan.Zero };
            configure?.Invoke(options);
            options.Dispatch = Dispatch.Manual;
            options.Clock = clock;
            options.Background = run => run();
            options.Random = () => 1;
            options.Http = http;
            options.Simulate = null;
            options.Link = (request, listener) => link = new ScriptedLink(request, listener, Take);
            Client = new GodotClient("http://fake.test", options);
        }

        /// <summary>The client that the game uses. It logs in and joins rooms as ever; <see cref="Welcome"/> lets it in.</summary>
        public GodotClient Client { get; }

        /// <summary>The room; fails before <see cref="JoinAsync"/>.</summary>
        public Room Room => room ?? throw new InvalidOperationException("No room has been joined: call JoinAsync first");

        /// <summary>Whether a connection waits to be let in.</summary>
        public bool IsConnecting => link?.IsConnecting == true;

        /// <summary>Whether the connection that waits asks for what it missed, rather than for the whole state.</summary>
        public bool AsksForMissedEvents => link != null && link.Request.Address.Query.Contains("since=");

        /// <summary>The code by which the game's side closed the last connection; null if it has not.</summary>
        public int? ClosedWith => link?.ClosedWith;

        /// <summary>All that the game has sent, the oldest first.</summary>
        public IReadOnlyList<SentInput> Sent => sent;

        /// <summary>Logs in as a guest if nobody is, joins a room, and lets it in.</summary>
        /// <param name="state">The room's state; an empty object by default.</param>
        /// <param name="prepare">Sets handlers before.</param>
        /// <param name="lobbyId">The lobby's id.</param>
        public async Task<Room> JoinAsync(Payload? state = null, Action<Room>? prepare = null, string lobbyId = "test")
        {
            await Client.Auth.EnsureAsync().ConfigureAwait(false);
            var joining = Client.JoinAsync(lobbyId, prepare);
            Welcome(state);
            room = await joining.ConfigureAwait(false);
            return room;
        }

        /// <summary>Lets in the connection that the game makes.</summary>
        /// <param name="state">The room's state; an empty object by default.</param>
        /// <param name="recovered">Whether the game keeps its state, as nothing is missing but what you send next.</param>
        public void Welcome(Payload? state = null, bool recovered = false)
        {
            if (!IsConnecting) throw new InvalidOperationException("No connection waits to be let in");
            link!.Open();
            Receive(Message("welcome", Payload.Of(
                ("user_id", Client.Session?.UserId), ("username", Client.Session?.Username), ("role", Client.Session?.Role),
                ("game_id", "test"), ("epoch", "e1"), ("seq", seq), ("n", n), ("recovered", recovered),
                ("state", recovered ? default : state ?? Payload.Of()), ("sync_interval_ms", 50), ("now", clock.WallMs)), null));
        }

        /// <summary>Refuses the connection that the game makes.</summary>
        /// <param name="status">403 for good; 503 for now.</param>
        /// <param name="code">For programs.</param>
        /// <param name="message">For people.</param>
        public void Refuse(int status, string code, string message = "refused by the test")
        {
            if (!IsConnecting) throw new InvalidOperationException("No connection waits to be let in");
            link!.Open();
            Receive(Message("error", Payload.Of(("code", code), ("message", message), ("status", status)), null));
        }

        /// <summary>An event for everybody in the room; it has the next number.</summary>
        /// <param name="type">What the script named it.</param>
        /// <param name="payload">What the script put in.</param>
        public void Event(string type, Payload payload = default)
        {
            seq += 1;
            Receive(Message(type, payload, seq));
        }

        /// <summary>A snapshot in the place of all that came before.</summary>
        /// <param name="state">The room's state.</param>
        public void Snapshot(Payload state) => Receive(Payload.Of(("type", "snapshot"), ("payload", state), ("epoch", "e1"), ("seq", seq)).Text);

        /// <summary>Any message, right or wrong, as JSON text.</summary>
        /// <param name="text">The message.</param>
        public void Receive(string text)
        {
            if (link == null) throw new InvalidOperationException("No connection has been made");
            link.Receive(text);
            Run();
        }

        /// <summary>Closes the connection, as the server does.</summary>
        /// <param name="code">The close code; 1006 for a connection that breaks.</param>
        /// <param name="reason">What the server says.</param>
        public void Close(int code, string reason = "")
        {
            link?.End(new LinkEnd(code, reason) { TellsStatus = true });
            Run();
        }

        /// <summary>The oldest input with this action that has not been taken yet. Fails if there is none.</summary>
        /// <param name="action">The script to run.</param>
        public SentInput Expect(string action)
        {
            var found = sent.FirstOrDefault(input => input.Action == action && !input.IsTaken);
            if (found == null)
            {
                var others = string.Join(", ", sent.Where(input => !input.IsTaken).Select(input => input.Action));
                throw new InvalidOperationException($"The game has not sent {action}; it sent: {others}");
            }
            found.IsTaken = true;
            return found;
        }

        /// <summary>The script's answer to an input.</summary>
        /// <param name="input">The input, see <see cref="Expect"/>.</param>
        /// <param name="result">What the script returns.</param>
        public void Reply(SentInput input, Payload result = default)
        {
            Ran(input);
            Receive(Payload.Of(("type", "reply"), ("id", input.Id), ("result", result)).Text);
        }

        /// <summary>The script, or the server, refuses an input.</summary>
        /// <param name="input">The input, see <see cref="Expect"/>.</param>
        /// <param name="code">For programs.</param>
        /// <param name="message">For people.</param>
        /// <param name="details">What the script adds.</param>
        public void Fail(SentInput input, string code, string message = "refused by the test", Payload details = default)
        {
            Ran(input);
            var error = Payload.Of(("code", code), ("message", message), ("details", details));
            var answer = new JObject { ["type"] = "error", ["id"] = input.Id };
            if (input.N != null) answer["n"] = input.N;
            answer["payload"] = Json.TryParse(error.Text, out var fields, out _) ? fields : null;
            Receive(((Payload)answer).Text);
        }

        /// <summary>Answers RPCs of this script; what the function throws as a <see cref="GodraException"/> is the script's error.</summary>
        /// <param name="script">Its name.</param>
        /// <param name="answer">Makes the result of the arguments.</param>
        public void OnRpc(string script, Func<IReadOnlyList<JToken>, Payload> answer) => http.OnRpc(script, answer);

        /// <summary>Lets time pass: for time-outs, delays before reconnects, and inputs that wait for their interval.</summary>
        /// <param name="time">How much.</param>
        public void Advance(TimeSpan time)
        {
            clock.Advance(time.TotalMilliseconds);
            Run();
        }

        /// <summary>Closes the client.</summary>
        public void Dispose() => Client.Dispose();

        private void Ran(SentInput input)
        {
            if (!input.WantsAnswer) throw new InvalidOperationException($"Nobody waits for an answer to {input.Action}: it was sent, not requested");
            n = Math.Max(n, input.N ?? 0);
        }

        private void Take(string text)
        {
            if (Json.TryParse(text, out var message, out _)) sent.Add(new SentInput((JObject)message!));
        }

        // Also what handlers cause in turn.
        private void Run()
        {
            while (Client.Poll() > 0)
            {
            }
        }

        private static string Message(string type, Payload payload, long? seq) => seq == null
            ? Payload.Of(("type", type), ("payload", payload)).Text
            : Payload.Of(("type", type), ("payload", payload), ("seq", seq)).Text;
    }
}
