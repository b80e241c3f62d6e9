using System.Linq;
using Newtonsoft.Json.Linq;

namespace GodotSDK.Tests;

public static class ReducerTests
{
    private const string Room = """{"owner":"1","players":{"1":{"user_id":"1","username":"A","x":1.0,"y":2.0}},"state":{"door":"open"}}""";

    private static JToken After(string state, params (string Type, string Payload)[] events)
    {
        var replica = new Replica();
        foreach (var (type, reducer) in LobbyReducers.All) replica.Add(type, reducer);
        replica.Welcome(Welcome.Read(JObject.Parse($$"""{"state":{{state}}}"""), out _)!);
        foreach (var (type, payload) in events) replica.Apply(new RoomEvent(type, JToken.Parse(payload), null));
        return replica.State;
    }

    public static void TestPlayersComeMoveAndGo()
    {
        var room = After(Room,
            ("player_joined", """{"user_id":"2","username":"B"}"""),
            ("player_moved", """{"user_id":"2","x":3,"y":4}"""),
            ("player_away", """{"user_id":"1"}"""));
        Check.JsonEqual("""{"1":{"user_id":"1","username":"A","x":1.0,"y":2.0,"away":true},"2":{"user_id":"2","username":"B","x":3,"y":4}}""", room["players"]);
        room = After(room.ToString(), ("player_back", """{"user_id":"1"}"""), ("player_left", """{"user_id":"2"}"""));
        Check.JsonEqual(Room, room);
    }

    public static void TestAGuestBecomesAPlayer()
    {
        var room = After(Room, ("player_left", """{"user_id":"1"}"""), ("player_upgraded", """{"old_id":"1","user_id":"9","username":"N"}"""));
        Check.JsonEqual("""{"9":{"user_id":"9","username":"N"}}""", room["players"]);
    }

    public static void TestFieldsAreSetAndRemoved()
    {
        var room = After(Room, ("state", """{"user_id":"1","action":"set","payload":{"door":null,"gold":[1]}}"""), ("state", """{"action":"shout","payload":{"x":1}}"""));
        Check.JsonEqual("""{"gold":[1]}""", room["state"]);
    }

    public static void TestSnapshotsReplaceAll() => Check.JsonEqual("""{"new":1}""", After(Room, ("snapshot", """{"new":1}""")));

    public static void TestOddEventsAndStatesChangeNothing()
    {
        var payloads = new[] { "null", "7", "[]", "\"text\"", "{}", """{"user_id":5}""", """{"user_id":"7","payload":3,"action":"set"}""", """{"user_id":null,"x":{}}""" };
        var events = LobbyReducers.All.Keys.Where(type => type != "player_joined" && type != "player_upgraded").SelectMany(type => payloads.Select(payload => (type, payload))).ToArray();
        Check.JsonEqual(Room, After(Room, events));
        foreach (var state in new[] { "null", "[]", "7", """{"players":[],"state":7}""", """{"players":{"7":3}}""" }) After(state, events);
    }
}
