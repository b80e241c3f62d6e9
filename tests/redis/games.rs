//! Several games on nodes whose rooms are in several stores: each has its rooms in all of them, and nothing of another's.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::common::redis::Redis;
use crate::common::server::{Folder, Server};
use crate::common::wait_until;
use crate::stage::{User, node_in};

/// The stock scripts that every game of the test has.
const STOCK: [&str; 6] =
    ["create_lobby", "list_lobbies", "note_lobby", "on_connect", "on_disconnect", "on_snapshot"];
/// Sends a message to a room, of which that counts each and tells its members.
const TELL: &str = "-- ROLE: guest\n-- KEYS: game:{room}\n\
    godra.tell(ARGV[2], 'told', { from = godra.room })\nreturn 'OK'\n";
const TOLD: &str = "-- ROLE: server\n-- KEYS: game:{room}:told\n\
    godra.publish('told', { game = godra.game or 'default', from = cjson.decode(ARGV[2]).from, n = redis.call('INCR', KEYS[1]) })\n";

const GAMES: [&str; 2] = ["", "chess"];

fn folder() -> Folder {
    let folder = Folder::new();
    for (name, text) in [("tell", TELL), ("told", TOLD)] {
        folder.write_script(name, text);
    }
    let chess = folder.scripts().join("games/chess");
    fs::create_dir_all(&chess).unwrap();
    for name in STOCK.iter().chain(&["tell", "told"]) {
        fs::copy(folder.script(name), chess.join(format!("{name}.lua"))).unwrap();
    }
    folder
}

fn call(user: &User, node: &Server, game: &str, script: &str, args: Value, keys: &[&str]) -> Value {
    let mut body = json!({"script": script, "game": game, "args": args});
    if !keys.is_empty() {
        body["keys"] = json!(keys);
    }
    let authorization = format!("Bearer {}", user.token);
    let body = body.to_string();
    let response = node.request("POST", "/api/rpc", &[("Authorization", &authorization)], body.as_bytes());
    assert_eq!(response.status, 200, "{response:?}");
    response.json()["result"].clone()
}

/// Rooms of a game, one in each store.
fn lobby_in_each(stores: &[Redis; 2], node: &Server, game: &str) -> [String; 2] {
    let mut lobbies = [None, None];
    wait_until("a lobby in each store", || {
        let user = User::new(node);
        let key = call(&user, node, game, "create_lobby", json!([]), &[]);
        let key = key.as_str().unwrap();
        assert_eq!(key.starts_with("game:chess~"), game == "chess", "{key}");
        let name = key.strip_prefix("game:").unwrap();
        let home = stores.iter().position(|store| store.command(&["EXISTS", key]).trim() == ":1");
        lobbies[home.expect("it is in one of them")] = Some(name.to_owned());
        lobbies.iter().all(Option::is_some)
    });
    lobbies.map(|lobby| lobby.expect("there is one"))
}

fn listed(user: &User, node: &Server, game: &str) -> BTreeSet<String> {
    let page = call(user, node, game, "list_lobbies", json!([100]), &[]);
    let page: Value = serde_json::from_str(page.as_str().unwrap()).unwrap();
    let lobbies = page["lobbies"].as_array().unwrap().iter();
    lobbies.map(|lobby| lobby["id"].as_str().unwrap().strip_prefix("game:").unwrap().to_owned()).collect()
}

#[test]
fn each_game_has_its_rooms_in_all_stores() {
    let stores = [Redis::start(), Redis::start()];
    let addresses = stores.each_ref().map(Redis::address);
    let nodes = [(); 2].map(|()| node_in(folder(), &addresses, &[]));
    let user = User::new(&nodes[0]);
    let rooms = GAMES.map(|game| lobby_in_each(&stores, &nodes[0], game));
    for (game, rooms) in GAMES.iter().zip(&rooms) {
        wait_until("the game's lobbies to be listed at the other node", || {
            let listed = listed(&user, &nodes[1], game);
            rooms.iter().all(|room| listed.contains(room))
        });
    }
    let [of_default, of_chess] = GAMES.map(|game| listed(&user, &nodes[1], game));
    assert!(of_default.is_disjoint(&of_chess), "{of_default:?} {of_chess:?}");
    for (game, [one, other]) in GAMES.iter().zip(&rooms) {
        let query = if game.is_empty() { String::new() } else { format!("&game={game}") };
        // From a room in one store to one in the other, whichever node calls, and each time once.
        for (from, to) in [(one, other), (other, one)] {
            let mut member = user.come_back(&nodes[1], to, &query);
            for (n, node) in (1..).zip(&nodes) {
                call(&user, node, game, "tell", json!([to]), &[&format!("game:{from}")]);
                let told = member.receive_type("told")["payload"].clone();
                let name = if game.is_empty() { "default" } else { game };
                assert_eq!(told, json!({"game": name, "from": from, "n": n}));
            }
            member.close();
        }
    }
}
