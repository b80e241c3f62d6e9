using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading.Tasks;
using GodotSDK.Testing;
using Newtonsoft.Json.Linq;

namespace GodotSDK.Tests;

/// <summary>What games test themselves with, used as they would.</summary>
public static class TestingTests
{
    public static async Task TestAGameInAFakeRoom()
    {
        using var fake = new FakeRoom(options => options.Reducers = LobbyReducers.All);
        var said = new List<string>();
        var room = await fake.JoinAsync(Payload.Of(("players", Payload.Of())), r => r.On("chat", e => said.Add((string)e.Payload["message"]!)));
        fake.Event("player_joined", Payload.Of(("user_id", "7"), ("username", "Ann")));
        fake.Event("chat", Payload.Of(("message", "hi")));
        Check.List(said, "hi");
        Check.Equal("Ann", (string?)room.State["players"]!["7"]!["username"]);
        Check.Equal("guest:test", room.Welcome!.UserId);
    }

    public static async Task TestWhatTheGameSentIsThere()
    {
        using var fake = new FakeRoom();
        var room = await fake.JoinAsync();
        room.SendLatest("move", 1);
        room.SendLatest("move", 2);
        Check.Equal(1, (int)fake.Expect("move").Payload);
        await Check.ThrowsAsync<InvalidOperationException>(() => Task.Run(() => fake.Expect("move")));
        fake.Advance(TimeSpan.FromMilliseconds(50));
        Check.Equal(2, (int)fake.Expect("move").Payload);
        var (good, bad) = (room.RequestAsync("open"), room.RequestAsync("open", default, new RequestOptions { Once = true }));
        fake.Reply(fake.Expect("open"), "gold");
        var second = fake.Expect("open");
        Check.Equal(1L, second.N);
        fake.Fail(second, "locked", "no key", Payload.Of(("key", 3)));
        Check.Equal("gold", (string?)await good);
        Check.JsonEqual("""{"key":3}""", (await Check.FailsAsync(bad, "locked")).Details);
        Check.List(fake.Sent.Select(input => input.Action), "move", "move", "open", "open");
    }

    public static async Task TestLossesAndReturns()
    {
        using var fake = new FakeRoom();
        var seen = new List<string>();
        var room = await fake.JoinAsync(Payload.Of(("a", 1)), r =>
        {
            r.Connected += welcome => seen.Add($"connected {welcome.Recovered}");
            r.Disconnected += end => seen.Add($"disconnected {end.Code} {end.WillReconnect}");
        });
        fake.Event("x");
        fake.Close(1006);
        Check.That(!fake.IsConnecting, "it waits a little");
        fake.Advance(TimeSpan.FromSeconds(1));
        Check.That(fake.IsConnecting && fake.AsksForMissedEvents, "it comes back");
        fake.Refuse(503, "busy");
        fake.Advance(TimeSpan.FromSeconds(1));
        fake.Welcome(recovered: true);
        Check.JsonEqual("""{"a":1}""", room.State);
        fake.Close(4500, "be nice");
        Check.List(seen, "connected False", "disconnected 1006 True", "connected True", "disconnected 4500 False");
        Check.That(!fake.IsConnecting, "no way back");
    }

    public static async Task TestAGameThatLogsInAndJoinsByItself()
    {
        using var fake = new FakeRoom();
        fake.OnRpc("create_lobby", args => $"lobby-{args[0]}");
        fake.OnRpc("buy", _ => throw new GodraException("no_gold", "you are poor"));
        var creating = Task.Run(async () =>
        {
            await fake.Client.Auth.LoginAsync("ann", "a good password");
            return await fake.Client.CreateRoomAsync(new RoomSettings { Capacity = 3 });
        });
        await Check.SoonAsync(() => fake.IsConnecting, "it connects");
        fake.Welcome();
        var room = await creating;
        Check.Equal("lobby-3", room.Id);
        Check.Equal("player", (await fake.Client.Auth.AccountAsync()).Role);
        Check.Equal(Outcome.Ran, (await Check.FailsAsync(fake.Client.RpcAsync("buy"), "no_gold")).Outcome);
        await Check.FailsAsync(fake.Client.RpcAsync("unknown"), "not_found");
        room.Close();
        Check.Equal(1000, fake.ClosedWith);
    }

    public static async Task TestASimulatedNetworkIsSlowAndKeepsOrder()
    {
        var stage = new Stage(o => o.Simulate = new SimulateOptions { Latency = TimeSpan.FromMilliseconds(100), Jitter = TimeSpan.FromMilliseconds(40) });
        var joining = stage.Join();
        stage.Link.Open();
        stage.Chance = 1;
        stage.Link.Welcome();
        stage.Chance = 0;
        stage.Link.Receive("""{"type":"a"}""");
        stage.Clock.Advance(89);
        Check.That(!joining.IsCompleted, "on its way");
        stage.Clock.Advance(1);
        await joining;
        Check.List(stage.Poll(), "connected", "a null");
        Check.That(stage.Room.Send("x"), "sent");
        stage.Clock.Advance(49);
        Check.Equal(0, stage.Link.Sent.Count);
        stage.Clock.Advance(1);
        Check.Equal(1, stage.Link.Sent.Count);
    }

    public static async Task TestASimulatedNetworkBreaks()
    {
        var stage = new Stage(o => o.Simulate = new SimulateOptions { DropEvery = TimeSpan.FromSeconds(10) });
        var joining = stage.Join();
        for (var round = 0; round < 3; round++)
        {
            stage.Link.Open();
            stage.Link.Welcome();
            stage.Clock.Advance(0);
            await joining;
            stage.Clock.Advance(14_999);
            Check.List(stage.Poll(), "connected");
            stage.Clock.Advance(1);
            Check.Equal("disconnected 1006 comes back", stage.Poll()[0]);
            Check.Equal(4000, stage.Link.Closed!.Value.Code);
            stage.Clock.Advance(200);
        }
    }
}
