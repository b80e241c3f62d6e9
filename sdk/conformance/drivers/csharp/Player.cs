using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using GodotSDK;
using Newtonsoft.Json.Linq;

/// <summary>One client of the judge's: it does what is commanded, and tells what a game would see.</summary>
internal sealed class Player : IAsyncDisposable
{
    private readonly Action<JObject> tell;
    private readonly GodotClient client;
    private readonly GodotClientOptions options;
    private readonly Dictionary<string, Room> rooms = [];
    private readonly Dictionary<string, Action> acts = [];
    private readonly HashSet<string> throwing = [];

    public Player(string url, GodotClientOptions options, Action<JObject> tell)
    {
        this.tell = tell;
        this.options = options;
        client = new GodotClient(url, options);
        client.SessionChanged += session =>
        {
            if (session == null) tell(Report.Fields(("event", "session_ended"), ("code", "session_ended")));
        };
    }

    /// <summary>Goes on with the session that an earlier run of the game has left, if there is one.</summary>
    public Task ResumeAsync() => client.Auth.ResumeAsync();

    public ValueTask DisposeAsync() => client.DisposeAsync();

    /// <summary>Does it, and gives its value.</summary>
    public async Task<JToken?> DoAsync(JObject command, CancellationToken cancel)
    {
        string Text(string name) => (string)command[name]!;
        switch (Text("do"))
        {
            case "guest_login": return Report.Of(await client.Auth.GuestAsync(cancel));
            case "ensure": return Report.Of(await client.Auth.EnsureAsync(cancel));
            case "login": return Report.Of(await client.Auth.LoginAsync(Text("username"), Text("password"), cancel));
            case "register": return Report.Of(await client.Auth.RegisterAsync(Text("username"), Text("password"), cancel));
            case "upgrade": return Report.Of(await client.Auth.UpgradeAsync(Text("username"), Text("password"), null, cancel));
            case "account": return Report.Of(await client.Auth.AccountAsync(cancel));
            case "refresh":
                await client.Auth.RefreshAsync(cancel);
                return Report.Of(client.Session!);
            case "logout":
                await client.Auth.LogoutAsync(cancel);
                return null;
            case "connect": return (await client.JoinAsync(Text("room"), Watch, cancel)).Welcome!.Raw;
            case "rpc": return await client.RpcAsync(Text("script"), Args(command["args"]), command["keys"]?.Values<string>().ToArray()!, cancel);
            case "list_rooms": return Report.Of(await client.ListRoomsAsync((int?)command["limit"] ?? 20, (string?)command["cursor"], cancel));
            case "same_room": return await client.JoinAsync(Text("room"), null, cancel) == await client.JoinAsync(Text("room"), null, cancel);
            case "wake":
                Wake(Text("signal"));
                return null;
            case "reduce":
                options.Reducers = LobbyReducers.All;
                foreach (var room in rooms.Values) Reduce(room);
                return null;
            case "throw_in":
                throwing.Add(Text("event"));
                return null;
            case "act_in":
                acts[Text("event")] = () => _ = DoAsync((JObject)command["then"]!, default);
                return null;
            case "close_client":
                await client.DisposeAsync();
                return null;
            default: return await InRoomAsync(RoomOf((string?)command["room"]), command, cancel);
        }
    }

    private async Task<JToken?> InRoomAsync(Room room, JObject command, CancellationToken cancel)
    {
        var action = (string?)command["action"] ?? "";
        var how = new RequestOptions
        {
            Once = (bool?)command["once"] ?? false,
            Timeout = (double?)command["timeout_ms"] is double ms ? TimeSpan.FromMilliseconds(ms) : null,
        };
        switch ((string?)command["do"])
        {
            case "send": return room.Send(action, command["payload"]);
            case "send_latest":
                foreach (var payload in command["payloads"] ?? new JArray(command["payload"]!)) room.SendLatest(action, payload, (string?)command["key"]);
                return null;
            case "request": return await room.RequestAsync(action, command["payload"], how, cancel);
            case "requests":
                var asked = Enumerable.Range(0, (int)command["count"]!).Select(number => room.RequestAsync(action, number, how, cancel));
                return new JArray(await Task.WhenAll(asked.ToList()));
            case "unsendable":
                var cycle = new Dictionary<string, object?>();
                cycle["itself"] = cycle;
                return await room.RequestAsync(action, cycle, how, cancel);
            case "state": return room.State.DeepClone();
            case "connection": return Report.Word(room.Connection);
            case "latency": return room.Latency?.TotalMilliseconds;
            case "server_time": return room.ServerTime?.ToUnixTimeMilliseconds();
            case "stats": return Report.Of(room.Stats);
            case "leave":
                await room.LeaveAsync(cancel);
                return null;
            case "close":
                room.Close();
                return null;
            default: throw new NotSupportedException($"This driver has no command {command["do"]}");
        }
    }

    private Room RoomOf(string? id) => id == null ? rooms.Values.Single() : rooms[id.Replace("game:", "")];

    private void Wake(string signal)
    {
        if (signal is "online" or "offline") client.SetOnline(signal == "online");
        if (signal == "shown") client.CheckNow();
    }

    private static Payload[] Args(JToken? args) => args?.Select(arg => (Payload)arg).ToArray() ?? [];

    private static void Reduce(Room room)
    {
        foreach (var (type, reducer) in LobbyReducers.All) room.Reduce(type, reducer);
    }

    private void Watch(Room room)
    {
        // A second join of the same room finds it watched.
        if (rooms.TryGetValue(room.Id, out var known) && known == room) return;
        rooms[room.Id] = room;
        room.Connected += welcome => Tell("connected", room,
            ("seq", welcome.Seq), ("epoch", welcome.Epoch), ("recovered", welcome.Recovered), ("n", welcome.N));
        room.Reconnecting += next => Tell("reconnecting", room, ("attempt", next.Attempt), ("delay_ms", next.Delay.TotalMilliseconds));
        room.Disconnected += end => Tell("disconnected", room,
            ("code", end.Code), ("reason", end.Reason), ("will_reconnect", end.WillReconnect),
            ("cause", end.Cause == null ? JValue.CreateNull() : Report.Of(end.Cause)));
        room.Error += error => tell(new JObject(Report.Event("error", room).Properties().Concat(Report.Of(error).Properties())));
        room.Event += e =>
        {
            if (throwing.Contains(e.Type)) throw new InvalidOperationException("thrown by the game");
        };
        room.Event += e =>
        {
            if (e.Type == "snapshot") Tell("snapshot", room, ("seq", e.Seq));
            else Tell("message", room, ("type", e.Type), ("payload", e.Payload), ("seq", e.Seq));
            Act(e.Type);
        };
    }

    private void Tell(string name, Room room, params (string Name, JToken? Value)[] more)
    {
        tell(Report.Event(name, room, more));
        if (name is "connected" or "disconnected" or "reconnecting") Act(name);
    }

    private void Act(string name)
    {
        if (acts.TryGetValue(name, out var act)) act();
    }
}
