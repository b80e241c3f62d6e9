#nullable enable
using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;

namespace GodotSDK
{
    /// <summary>On which thread handlers run. They never run at the same time, and always in order.</summary>
    public enum Dispatch
    {
        /// <summary>
        /// On the SynchronizationContext that was there when the client was made (the main thread of Godot and Unity), else on the
        /// thread pool.
        /// </summary>
        Auto,

        /// <summary>Within <see cref="GodotClient.Poll"/>, on the thread that calls it.</summary>
        Manual,
    }

    /// <summary>How lost connections are made again.</summary>
    public sealed class ReconnectOptions
    {
        /// <summary>Longest first delay; it doubles with every attempt, and is drawn from its upper half.</summary>
        public TimeSpan FirstDelay { get; set; } = TimeSpan.FromMilliseconds(200);

        /// <summary>
        /// Longest delay. It is never above 0.8 s in the first minute of an outage, and 5 s in the next four.
        /// </summary>
        public TimeSpan MaxDelay { get; set; } = TimeSpan.FromSeconds(20);

        /// <summary>A connection that held this long was a good one: after it the delays begin from the start again.</summary>
        public TimeSpan StableAfter { get; set; } = TimeSpan.FromSeconds(5);
    }

    /// <summary>Options of a <see cref="GodotClient"/>. Defaults fit most games.</summary>
    public sealed class GodotClientOptions
    {
        /// <summary>Where the session is kept over restarts of the game; by default in memory alone.</summary>
        public ISessionStore? SessionStore { get; set; }

        /// <summary>
        /// Gives a token in place of a session, for games that log in by other ways. It is asked before each call and each connection.
        /// </summary>
        public Func<CancellationToken, Task<string?>>? TokenProvider { get; set; }

        /// <summary>Where handlers run.</summary>
        public Dispatch Dispatch { get; set; } = Dispatch.Auto;

        /// <summary>How lost connections are made again; null for never.</summary>
        public ReconnectOptions? Reconnect { get; set; } = new ReconnectOptions();

        /// <summary>Which of several games on the server is played; empty for the default one.</summary>
        public string Game { get; set; } = "";

        /// <summary>Whether a connection that is made again goes on from the last event, or gets the whole state each time.</summary>
        public bool Resume { get; set; } = true;

        /// <summary>Time limit of an HTTP call and of <see cref="Room.RequestAsync"/>.</summary>
        public TimeSpan RequestTimeout { get; set; } = TimeSpan.FromSeconds(10);

        /// <summary>Time limit from the start of a connection to its welcome.</summary>
        public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(10);

        /// <summary>Pause between the heartbeats that find a dead connection; zero for none.</summary>
        public TimeSpan Heartbeat { get; set; } = TimeSpan.FromSeconds(20);

        /// <summary>With more unsent bytes than this an input is not sent.</summary>
        public int MaxBufferedBytes { get; set; } = 1 << 20;

        /// <summary>A message of the server that is longer than this is not read, and reported as <c>bad_message</c>.</summary>
        public int MaxMessageBytes { get; set; } = 16 << 20;

        /// <summary>
        /// So many messages may wait for handlers before the SDK stops reading; the server then sends a snapshot in place of what
        /// piles up. For games that do not call <see cref="GodotClient.Poll"/> for a while.
        /// </summary>
        public int MaxWaitingMessages { get; set; } = 4096;

        /// <summary>
        /// Reducers for every room, by the type of their event: <see cref="LobbyReducers.All"/> for the stock scripts.
        /// </summary>
        public IReadOnlyDictionary<string, Reducer>? Reducers { get; set; }

        /// <summary>Takes what is worth a line in the log; never a token. By default errors that nobody handles go to the console.</summary>
        public Action<LogLevel, string>? Log { get; set; }

        /// <summary>For trying a game on a worse network than one's own; never in what players get.</summary>
        public SimulateOptions? Simulate { get; set; }

        /// <summary>In place of <c>HttpClient</c>.</summary>
        public IHttp? Http { get; set; }

        /// <summary>In place of <c>ClientWebSocket</c>.</summary>
        public LinkFactory? Link { get; set; }

        internal IClock Clock { get; set; } = SystemClock.Instance;

        /// <summary>Where what may call the game's own code begins, out of the SDK's locks.</summary>
        internal Func<Func<Task>, Task> Background { get; set; } = Task.Run;

        internal Func<double> Random { get; set; } = Chance.Next;
    }

    internal static class Chance
    {
        private static readonly Random Source = new Random();

        public static double Next()
        {
            lock (Source) return Source.NextDouble();
        }
    }

    /// <summary>Settings of a new lobby, as the stock script <c>create_lobby</c> takes them.</summary>
    public sealed class RoomSettings
    {
        /// <summary>How many members it takes.</summary>
        public int Capacity { get; set; } = 4;

        /// <summary>The arena, as an object: <c>width</c>, <c>height</c>, <c>max_speed</c>.</summary>
        public Newtonsoft.Json.Linq.JObject? Settings { get; set; }
    }

    /// <summary>Options of <see cref="Room.RequestAsync"/>.</summary>
    public sealed class RequestOptions
    {
        /// <summary>Time limit: <see cref="GodotClientOptions.RequestTimeout"/> without it, or with <see cref="Once"/> none.</summary>
        public TimeSpan? Timeout { get; set; }

        /// <summary>
        /// Runs exactly once, also if connections are lost before or after it has run. It waits while there is no connection, and
        /// gives <c>{"duplicate": true}</c> if it ran and the server does not know its result any more.
        /// </summary>
        public bool Once { get; set; }
    }
}
