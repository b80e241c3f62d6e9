//! For whom events are: one, some, a group, everybody but some; and who is put out of a room. The same on every store.

use serde_json::{Value, json};

use crate::common::player::Player;
use crate::common::server::{Folder, Guest, Server};

/// Does what its payload says, a list of a function of `godra` and its arguments; `null` is nothing.
const DO: &str = r#"-- ROLE: guest
-- KEYS: game:{room}
for _, step in ipairs(cjson.decode(ARGV[2])) do
  local called = {}
  for i = 2, 5 do
    if step[i] ~= cjson.null then called[i - 1] = step[i] end
  end
  local result = godra[step[1]](called[1], called[2], called[3], called[4])
  if step[1] == "cell" then return result end
end
return "OK"
"#;

fn start() -> Server {
    let folder = Folder::new();
    folder.write_script("on_connect", "-- KEYS: game:{room}, game:{room}:players\nreturn 'OK'");
    folder.write_script(
        "on_disconnect",
        "-- KEYS: game:{room}, game:{room}:players\ngodra.publish('gone', ARGV[1])",
    );
    folder.write_script("on_snapshot", "-- KEYS: game:{room}\nreturn '{}'");
    folder.write_script("act", DO);
    Server::start_in(folder, &["--threads", "2", "--max-message-bytes", "1000000"])
}

/// What it has heard meanwhile is not looked at.
#[track_caller]
fn act(player: &mut Player, steps: Value) {
    let answer = player.call("act", steps, 1);
    assert_eq!(answer["result"], "OK", "{answer}");
}

/// All events up to the one of type `end`, by their payload; their numbers rise.
#[track_caller]
fn heard(player: &mut Player) -> Vec<String> {
    let mut seq = 0;
    let mut heard = Vec::new();
    loop {
        let event = player.receive();
        let Some(number) = event["seq"].as_u64() else { continue };
        assert!(number > seq, "{event} after {seq}");
        seq = number;
        match event["type"].as_str() {
            Some("end") => return heard,
            Some("gone") => heard.push("gone".to_owned()),
            _ => heard.push(event["payload"].as_str().unwrap_or_default().to_owned()),
        }
    }
}

fn say(text: &str, options: Value) -> Value {
    json!(["publish", "said", text, options])
}

/// Some users who listen, and one who does everything.
struct Room<'a> {
    guests: Vec<Guest<'a>>,
    players: Vec<Player>,
    director: Player,
}

impl<'a> Room<'a> {
    fn of(server: &'a Server, users: usize) -> Self {
        let guests: Vec<Guest<'a>> = (0..users).map(|_| server.guest()).collect();
        let players = guests.iter().map(|guest| guest.join("hall")).collect();
        Self { guests, players, director: server.guest().join("hall") }
    }

    fn id(&self, user: usize) -> &str {
        &self.guests[user].user_id
    }

    /// What each has heard, when nothing more can come of what was done before.
    fn end(&mut self) -> Vec<Vec<String>> {
        act(&mut self.director, json!([["publish", "end"]]));
        self.players.iter_mut().map(heard).collect()
    }
}

#[test]
fn an_event_reaches_those_whom_it_names_in_the_rooms_one_order() {
    let server = start();
    let mut room = Room::of(&server, 3);
    let (a, b) = (room.id(0).to_owned(), room.id(1).to_owned());
    let nobody: Vec<String> = (0..9_990).map(|number| format!("nobody-{number}")).collect();
    act(
        &mut room.director,
        json!([
            say("all", json!(null)),
            say("all, too", json!({})),
            say("a", json!({"to": a})),
            say("a, b", json!({"to": [a, b, "nobody"]})),
            say("but a", json!({"except": a})),
            say("but a, b", json!({"except": [a, b]})),
            say("b of a, b", json!({"to": [a, b], "except": [a]})),
            say("nobody", json!({"to": []})),
            say("nobody at all", json!({"to": nobody})),
            ["send", a, "said", "sent"],
        ]),
    );
    assert_eq!(
        room.end(),
        [
            vec!["all", "all, too", "a", "a, b", "sent"],
            vec!["all", "all, too", "a, b", "but a", "b of a, b"],
            vec!["all", "all, too", "but a", "but a, b"],
        ]
    );
}

#[test]
fn a_group_is_part_of_the_room() {
    let server = start();
    let mut room = Room::of(&server, 4);
    let d = room.id(3).to_owned();
    let (a, b, c) = (room.id(0).to_owned(), room.id(1).to_owned(), room.id(2).to_owned());
    act(&mut room.director, json!([["join", "red", a], ["join", ["red", "scouts"], b]]));
    act(
        &mut room.director,
        json!([
            say("red", json!({"group": "red"})),
            say("scouts and c", json!({"group": "scouts", "to": c})),
            say("red but b", json!({"group": ["red", "scouts", "none"], "except": b})),
            ["leave", "red", b],
            ["leave", ["red", "none"], c],
            say("red without b", json!({"group": "red"})),
        ]),
    );
    // A call that fails has let nobody in.
    let answer = room.director.call("act", json!([["join", "red", d], ["error", "no", "no"]]), 2);
    assert_eq!(answer["type"], "error");
    act(&mut room.director, json!([say("still", json!({"group": "red"}))]));
    // Who comes back is still in.
    room.players[1] = room.guests[1].join("hall");
    act(&mut room.director, json!([say("back", json!({"group": "scouts"}))]));
    assert_eq!(
        room.end(),
        [vec!["red", "red but b", "red without b", "still"], vec!["back"], vec!["scouts and c"], vec![],]
    );
}

#[test]
fn whoever_is_near_hears_what_happens_on_the_map() {
    let server = start();
    let mut room = Room::of(&server, 3);
    let ids: Vec<String> = (0..3).map(|user| room.id(user).to_owned()).collect();
    let cells = |player: &mut Player, x: f64, y: f64| {
        player.call("act", json!([["cell", x, y, 100, 1]]), 3)["result"].clone()
    };
    let here =
        |player: &mut Player, x: f64| player.call("act", json!([["cell", x, 50, 100]]), 4)["result"].clone();
    assert_eq!(here(&mut room.director, -0.5), "cell:100:-1:0");
    for (user, x) in [(0, 50.0), (1, 150.0), (2, 950.0)] {
        let around = cells(&mut room.director, x, 50.0);
        assert_eq!(around.as_array().map(Vec::len), Some(9), "{around}");
        act(&mut room.players[user], json!([["join", around, ids[user]]]));
    }
    act(&mut room.director, json!([say("at 50", json!({"group": "cell:100:0:0"}))]));
    // It walks on: what was behind it is out of its reach.
    let around = cells(&mut room.director, 850.0, 50.0);
    act(&mut room.director, json!([["join", around, ids[1]], ["join", "red", ids[1]]]));
    act(&mut room.director, json!([say("at 50 again", json!({"group": "cell:100:0:0"}))]));
    act(&mut room.director, json!([say("at 950", json!({"group": "cell:100:9:0"}))]));
    act(&mut room.director, json!([say("red", json!({"group": "red"}))]));
    assert_eq!(room.end(), [vec!["at 50", "at 50 again"], vec!["at 50", "at 950", "red"], vec!["at 950"]]);
}

#[test]
fn who_is_put_out_hears_no_more() {
    let server = start();
    let mut room = Room::of(&server, 3);
    let b = room.id(1).to_owned();
    act(
        &mut room.director,
        json!([
            ["join", "red", b],
            say("last words", json!({"to": b})),
            ["remove", b, "the host has closed the door"],
            ["remove", "nobody"],
            say("after", json!(null)),
        ]),
    );
    assert_eq!(room.players[1].receive_type("said")["payload"], "last words");
    assert_eq!(room.players[1].expect_close(), (4500, "the host has closed the door".to_owned()));
    room.players[2].receive_type("gone");
    // It may come again, and is in no group.
    room.players[1] = room.guests[1].join("hall");
    act(&mut room.director, json!([say("red", json!({"group": "red"}))]));
    // One that is not let go: the call has failed.
    let answer = room.director.call("act", json!([["remove", b], ["error", "no", "no"]]), 2);
    assert_eq!(answer["type"], "error");
    assert_eq!(room.end()[1], [""; 0]);
}

#[test]
fn mistakes_are_told_at_their_line() {
    let server = start();
    let mut room = Room::of(&server, 0);
    let long = "x".repeat(900_000);
    let check = |player: &mut Player, step: Value, expected: &str| {
        let answer = player.call("act", json!([step]), 5);
        assert_eq!(answer["type"], "error", "{expected}: {answer}");
        assert_eq!(answer["payload"]["message"], json!(format!("act.lua:8: {expected}")));
    };
    let player = &mut room.director;
    check(player, say("x", json!({"too": "a"})), "no option \"too\": there are to, except, group, replace");
    check(player, say("x", json!({"to": true})), "bad option to: a string or a list of strings, got boolean");
    check(player, say("x", json!({"to": [1, {}]})), "bad option to: a list of strings, got a table in it");
    let many = vec!["a"; 10_001];
    check(player, say("x", json!({"to": many})), "bad option to: at most 10000 in a list, got 10001");
    check(player, say("x", json!("red")), "bad argument #3: a table of options, got string");
    let name = "a group's name has 1 to 64 bytes and no control characters";
    check(player, say("x", json!({"group": ""})), name);
    check(player, json!(["join", long]), name);
    check(player, json!(["leave", "a\tb"]), name);
    check(
        player,
        json!(["join", {"a": 1}, "b\n"]),
        "bad argument #2: a user's id has 1 to 128 bytes and no control characters",
    );
    check(player, json!(["join", true]), "bad argument #1: a string or a list of strings, got boolean");
    check(
        player,
        json!(["remove", "a", ""]),
        "bad argument #2 to 'remove': a reason of 1 to 123 bytes in one line",
    );
    check(player, json!(["cell", 1, 2, 0]), "bad argument #3 to 'cell': a size above 0");
    check(player, json!(["cell", 1, 2, 1, 8]), "bad argument #4 to 'cell': a whole number from 0 to 7");
    check(player, json!(["cell", 1e300, 2, 1]), "the cell is too far away: a larger size would do");
    let groups = |from: usize| (from..from + 200).map(|number| format!("g{number}")).collect::<Vec<_>>();
    act(player, json!([["join", groups(0)]]));
    check(player, json!(["join", groups(200)]), "a user may be in 256 groups of a room at most");
    act(player, json!([["leave", groups(0)], ["join", groups(200)]]));
}

#[test]
fn a_tick_or_a_message_has_no_caller_to_join() {
    let folder = Folder::new();
    folder.write_script("wake", "-- ROLE: guest\ngodra.tell(godra.room, 'alone')");
    folder.write_script(
        "alone",
        "-- ROLE: server\nlocal told = {}\n\
         local function try(name, ...)\n\
         local _, why = pcall(function(...) godra[name](...) end, ...)\ntold[#told + 1] = tostring(why)\n\
         end\n\
         try('join', 'red')\ntry('leave', 'red')\ntry('join', 'red', 'ann')\ngodra.publish('told', told)",
    );
    let server = Server::start_in(folder, &[]);
    let guest = server.guest();
    let mut player = guest.join(&guest.create_lobby(4));
    player.send("wake", json!(null));
    let told = player.receive_type("told")["payload"].take();
    // In front stands where it is, in each store's own way, as the script has caught it.
    let told = told.as_array().unwrap().iter().map(|why| why.as_str().unwrap());
    let told: Vec<&str> = told.map(|why| why.split_once(": ").map_or(why, |(_, why)| why)).collect();
    let nobody = "bad argument #2: nobody has called, so it names the user";
    assert_eq!(told, [nobody, nobody, "nil"]);
}
