//! The list of lobbies where rooms are in several stores.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::common::player::Player;
use crate::common::redis::Redis;
use crate::common::server::Server;
use crate::common::{wait_until, wait_within};
use crate::stage::{User, node};

/// What a node lists, by id.
fn list(node: &Server, user: &User, filter: Value) -> Map<String, Value> {
    let response = user.rpc(node, "list_lobbies", json!([100, null, filter]), &[]);
    assert_eq!(response.status, 200, "{response:?}");
    let answer = response.json();
    let page: Value = serde_json::from_str(answer["result"].as_str().unwrap()).unwrap();
    let lobbies = page["lobbies"].as_array().unwrap().iter();
    lobbies.map(|lobby| (lobby["id"].as_str().unwrap().to_owned(), lobby.clone())).collect()
}

/// Makes lobbies until there is one in each store; gives their keys.
fn lobby_in_each(stores: &[Redis; 2], node: &Server, settings: &Value) -> [String; 2] {
    let mut lobbies = [None, None];
    wait_until("a lobby in each store", || {
        let user = User::new(node);
        let answer = user.rpc(node, "create_lobby", json!([3, settings]), &[]).json();
        let key = answer["result"].as_str().unwrap().to_owned();
        let home = stores.iter().position(|store| store.command(&["EXISTS", &key]).trim() == ":1");
        let place = &mut lobbies[home.expect("it is in one of them")];
        match place {
            None => *place = Some(key),
            Some(_) => assert_eq!(user.rpc(node, "leave_lobby", json!([]), &[&key]).status, 200),
        }
        lobbies.iter().all(Option::is_some)
    });
    lobbies.map(|lobby| lobby.expect("there is one"))
}

fn members(list: &Map<String, Value>, keys: &[String]) -> Vec<u64> {
    keys.iter().map(|key| list.get(key).map_or(0, |lobby| lobby["members"].as_u64().unwrap())).collect()
}

#[test]
fn lobbies_of_all_stores_are_listed_as_they_are() {
    let stores = [Redis::start(), Redis::start()];
    let addresses = stores.each_ref().map(Redis::address);
    let nodes = [(); 2].map(|()| node(&addresses, &["--room-ttl", "10s"]));
    let users = [User::new(&nodes[0]), User::new(&nodes[1])];
    let settings = json!({"labels": {"mode": "duel", "note": "\"ü\""}});
    let keys = lobby_in_each(&stores, &nodes[0], &settings);
    let room = |key: &String| key.strip_prefix("game:").unwrap().to_owned();
    let mut players: Vec<Player> = keys.iter().map(|key| users[0].join(&nodes[0], &room(key))).collect();
    let lists = |filter: Value| [0, 1].map(|at| list(&nodes[at], &users[at], filter.clone()));
    wait_until("both to be listed, with who made them and who came", || {
        lists(json!({})).iter().all(|list| members(list, &keys) == [2, 2])
    });
    for lobby in keys.iter().map(|key| lists(json!({}))[1][key].clone()) {
        assert_eq!((&lobby["capacity"], &lobby["labels"]), (&json!(3), &settings["labels"]));
        assert!(lobby["created_at"].as_u64() > Some(1_000_000_000_000), "{lobby}");
    }
    let hidden = lobby_in_each(&stores, &nodes[1], &json!({"public": false}));

    players.extend(keys.iter().map(|key| users[1].join(&nodes[1], &room(key))));
    wait_until("all seats to be taken", || {
        lists(json!({})).iter().all(|list| members(list, &keys) == [3, 3])
    });
    for (filter, count) in [
        (json!({"free": true}), 0),
        (json!({"labels": {"mode": "duel"}}), 2),
        (json!({"labels": {"mode": "race"}}), 0),
    ] {
        let lists = lists(filter.clone());
        assert!(
            lists.iter().all(|list| keys.iter().filter(|key| list.contains_key(*key)).count() == count),
            "{filter}"
        );
    }
    let list_now = &lists(json!({}))[0];
    assert!(hidden.iter().all(|key| !list_now.contains_key(key)), "private ones are not listed");

    // The one in which calls without a room run has them all.
    let has_all = |store: &&Redis| {
        keys.iter().all(|key| {
            let id = room(key);
            store.command(&["ZSCORE", "lobbies", &id]).trim() != "$-1"
        })
    };
    let homes: Vec<usize> = (0..2).filter(|at| has_all(&&stores[*at])).collect();
    let [home] = homes[..] else { panic!("in one store alone: {homes:?}") };
    let away = &stores[1 - home];
    away.signal("STOP");
    let list_now = list(&nodes[0], &users[0], json!({}));
    assert_eq!(members(&list_now, &keys)[home], 3, "the others' are there while a store is away");
    away.signal("CONT");
    wait_until("all stores to be back", || nodes.iter().all(|node| node.get("/ready").status == 200));

    for (user, node) in users.iter().zip(&nodes) {
        for key in &keys {
            wait_until("a player to leave", || {
                user.rpc(node, "leave_lobby", json!([]), &[key]).status == 200
            });
        }
    }
    drop(players);
    wait_within(Duration::from_secs(40), "those that have ended to be gone", || {
        lists(json!({})).iter().all(|list| members(list, &keys) == [0, 0])
    });
    assert_eq!(stores[home].command(&["ZCARD", "lobbies"]).trim(), ":0");
}
