//! A card game in turns, whose hands are hidden.

use std::collections::HashMap;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{act, add_line, folder, heard, lobby, refused};
use crate::common::player::Player;
use crate::common::server::{Guest, Server};

fn start() -> Server {
    let folder = folder("cards");
    add_line(&folder, "on_disconnect", r#"godra.tell(godra.room, "go_on")"#);
    Server::start_in(folder, &["--rejoin-grace", "10s"])
}

/// Somebody at the table.
struct Seat<'a> {
    guest: Guest<'a>,
    player: Player,
    hand: Vec<String>,
    /// How much has been looked at of what the player has seen.
    read: usize,
    /// All that came before a reconnect.
    heard_before: Vec<Value>,
}

impl<'a> Seat<'a> {
    fn take(guest: Guest<'a>, room: &str) -> Self {
        let player = guest.join(room);
        Self { guest, player, hand: Vec::new(), read: 0, heard_before: Vec::new() }
    }

    fn id(&self) -> &str {
        &self.guest.user_id
    }

    /// The next event of one of these types, also if it came while something else was awaited.
    #[track_caller]
    fn hear(&mut self, types: &[&str]) -> Value {
        loop {
            while let Some(message) = self.player.seen().get(self.read) {
                self.read += 1;
                if types.iter().any(|name| message["type"] == *name) {
                    return message.clone();
                }
            }
            self.player.receive();
        }
    }

    /// All that it has ever received, with what has been sent to it by now.
    fn heard(&mut self) -> Vec<Value> {
        while self.player.receive_within(Duration::from_millis(300)).is_some() {}
        [&self.heard_before[..], self.player.seen()].concat()
    }

    /// Comes back with this in the query.
    fn lose_line(&mut self, room: &str, query: &str) {
        self.player.socket().get_ref().shutdown(Shutdown::Both).unwrap();
        let before = std::mem::replace(&mut self.player, self.guest.join_with(room, query));
        self.heard_before.extend_from_slice(before.seen());
        self.read = 0;
    }

    /// Passes over what it has heard before, up to the turn of that number.
    fn read_to_turn(&mut self, number: usize) {
        while self.hear(&["turn"])["payload"]["number"] != number {}
    }
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn deal(seats: &mut [Seat<'_>]) {
    assert_eq!(act(&mut seats[0].player, "deal", json!(null)), "OK");
    for seat in seats {
        seat.hand = texts(&seat.hear(&["hand"])["payload"]["cards"]);
        assert_eq!(seat.hand.len(), 5);
    }
}

/// The next event of one of these types, which everybody hears.
#[track_caller]
fn all_hear(seats: &mut [Seat<'_>], types: &[&str]) -> Value {
    let mut heard: Vec<Value> = seats.iter_mut().map(|seat| seat.hear(types)).collect();
    assert!(heard.windows(2).all(|pair| pair[0] == pair[1]), "all hear the same: {heard:?}");
    heard.swap_remove(0)
}

/// Whose turn it is next; none at the end.
#[track_caller]
fn next_turn(seats: &mut [Seat<'_>]) -> Option<usize> {
    let event = all_hear(seats, &["turn", "winner"]);
    let of = |seat: &Seat<'_>| event["payload"]["user_id"] == seat.id();
    (event["type"] == "turn").then(|| seats.iter().position(of).expect("one of them"))
}

/// Plays the first card of the hand that is not refused because the suit must be followed.
fn play(seat: &mut Seat<'_>) -> String {
    for at in 0..seat.hand.len() {
        let answer = seat.player.call("play", json!({"card": seat.hand[at]}), 7);
        if answer["type"] == "reply" {
            return seat.hand.remove(at);
        }
        assert_eq!(answer["payload"]["code"], "must_follow", "{answer}");
        let suit = answer["payload"]["details"]["suit"].as_str().unwrap();
        assert!(seat.hand.iter().any(|card| card.starts_with(suit)), "{answer}: {:?}", seat.hand);
        assert!(!seat.hand[at].starts_with(suit), "{answer}: {}", seat.hand[at]);
    }
    panic!("no card may be played: {:?}", seat.hand);
}

/// The cards that a message names, wherever in it.
fn cards_in(message: &Value) -> Vec<String> {
    let text = message.to_string();
    let named = ["clubs-", "diamonds-", "hearts-", "spades-"].into_iter();
    named
        .flat_map(|suit| text.match_indices(suit).map(|(at, _)| text[at..at + suit.len() + 2].to_owned()))
        .collect()
}

/// Nothing in all that it has received names a card of somebody else's before it was played, nor one that nobody holds.
#[track_caller]
fn has_seen_no_hand_but(own: &str, heard: &[Value], owners: &HashMap<String, String>) {
    let mut played = Vec::new();
    for message in heard {
        if message["type"] == "played" {
            let card = message["payload"]["card"].as_str().unwrap();
            assert_eq!(message["payload"]["user_id"], *owners[card], "{message}");
            played.push(card.to_owned());
        }
        for card in cards_in(message) {
            let is_own = owners.get(&card).is_some_and(|owner| owner == own);
            // Who comes back to a table sees what lies there.
            let lies_there = message["type"] == "welcome"
                && message["payload"]["state"]["table"]["trick"].to_string().contains(&card);
            assert!(is_own || lies_there || played.contains(&card), "{own} was told of {card}: {message}");
        }
    }
}

/// Whoever had the suit that was led has followed it, in rounds where nobody left.
#[track_caller]
fn suits_were_followed(seats: &[Seat<'_>], dealt: &[Vec<String>], heard: &[Value]) {
    let mut hands: HashMap<&str, Vec<String>> =
        seats.iter().map(Seat::id).zip(dealt.iter().cloned()).collect();
    let suit = |card: &str| card.split_once('-').unwrap().0.to_owned();
    let mut led = None;
    for event in heard {
        if event["type"] == "trick" {
            led = None;
        } else if event["type"] == "played" {
            let card = event["payload"]["card"].as_str().unwrap();
            let hand = hands.get_mut(event["payload"]["user_id"].as_str().unwrap()).unwrap();
            let led = led.get_or_insert_with(|| suit(card));
            let had_it = hand.iter().any(|own| suit(own) == *led);
            assert!(suit(card) == *led || !had_it, "{event}: {led} was led, and there was {hand:?}");
            hand.retain(|own| own != card);
        }
    }
}

fn owners(seats: &[Seat<'_>]) -> HashMap<String, String> {
    let pairs =
        seats.iter().flat_map(|seat| seat.hand.iter().map(|card| (card.clone(), seat.id().to_owned())));
    pairs.collect()
}

#[test]
fn a_round_ends_with_a_winner_and_nobody_sees_a_hand() {
    let server = start();
    let owner = server.guest();
    let room = owner.create_lobby(4);
    let mut seats = vec![Seat::take(owner, &room)];
    assert_eq!(refused(&mut seats[0].player, "deal", json!(null)).0, "conflict", "alone");
    for _ in 0..2 {
        seats.push(Seat::take(server.guest(), &room));
    }
    assert_eq!(refused(&mut seats[1].player, "deal", json!(null)).0, "forbidden", "not the owner");
    assert_eq!(
        refused(&mut seats[0].player, "play", json!({"card": "hearts-07"})),
        ("conflict".into(), "No round is being played".into())
    );
    // The last event that came before.
    let welcome = &seats[2].player.welcome["payload"];
    let (epoch, dealt_after) = (welcome["epoch"].as_str().unwrap().to_owned(), welcome["seq"].clone());
    deal(&mut seats);
    let dealt: Vec<Vec<String>> = seats.iter().map(|seat| seat.hand.clone()).collect();
    let owners = owners(&seats);
    assert_eq!(owners.len(), 15, "no card is there twice");
    assert_eq!(refused(&mut seats[0].player, "deal", json!(null)).0, "conflict", "a round is on");

    // Who comes when the cards are dealt looks on.
    let mut visitor = Seat::take(server.guest(), &room);
    assert_eq!(visitor.player.welcome["payload"]["state"].get("hand"), None, "{}", visitor.player.welcome);
    assert_eq!(refused(&mut visitor.player, "play", json!({"card": "hearts-07"})).0, "forbidden");
    // Nor does a call from outside play somebody's card.
    let (key, card) = (format!("game:{room}:cards"), json!({"card": seats[0].hand[0]}));
    let outside = server.guest().rpc("play", json!([card]), &[&key]);
    assert_eq!((outside.status, outside.error_code().as_str()), (403, "forbidden"), "{outside:?}");

    let mut plays = 0;
    while let Some(turn) = next_turn(&mut seats) {
        let other = (turn + 1) % 3;
        let foreign = seats[other].hand.first().cloned().unwrap_or_else(|| "hearts-15".to_owned());
        let own = seats[turn].hand[0].clone();
        let at = &mut seats[turn].player;
        assert_eq!(refused(at, "play", json!({"card": foreign})).0, "not_your_card");
        for nonsense in [json!(null), json!([]), json!("x"), json!({"card": 7}), json!({"card": {"a": 1}})] {
            assert_eq!(refused(at, "play", nonsense).0, "bad_request");
        }
        assert_eq!(
            refused(&mut seats[other].player, "play", json!({"card": own})),
            ("not_your_turn".into(), "Wait for your turn".into())
        );
        if plays == 4 {
            // In the middle, one that is on turn and one that is not come back, and see their own hands.
            for back in [turn, other] {
                seats[back].lose_line(&room, "");
                let state = &seats[back].player.welcome["payload"]["state"];
                assert_eq!(texts(&state["hand"]), seats[back].hand);
                assert_eq!(state["table"]["turn"], seats[turn].id());
            }
        }
        if plays == 8 {
            // One asks for all that it was sent since the cards were dealt: again, that is its own hand.
            let query = format!("&epoch={epoch}&since={}", dealt_after.as_u64().unwrap());
            seats[other].lose_line(&room, &query);
            let hand = seats[other].hear(&["hand"]);
            assert_eq!(texts(&hand["payload"]["cards"]), dealt[other]);
            seats[other].read_to_turn(plays + 1);
        }
        play(&mut seats[turn]);
        plays += 1;
    }
    assert_eq!(plays, 15);
    let winner = heard(&seats[0].player, "winner")[0].clone();
    let won: Vec<u64> = seats.iter().map(|seat| winner["won"][seat.id()].as_u64().unwrap()).collect();
    assert_eq!(won.iter().sum::<u64>(), 5, "{winner}");
    let of_winner = winner["won"][winner["user_id"].as_str().unwrap()].as_u64();
    assert_eq!(of_winner, won.iter().max().copied(), "{winner}");

    let looked_on = visitor.heard();
    assert_eq!(looked_on.iter().filter(|event| event["type"] == "played").count(), 15);
    suits_were_followed(&seats, &dealt, &looked_on);
    seats.push(visitor);
    for seat in &mut seats {
        let heard = seat.heard();
        has_seen_no_hand_but(seat.id(), &heard, &owners);
        assert!(heard.iter().any(|message| message["type"] == "winner"));
    }
    // The next round may begin.
    seats.truncate(1);
    assert_eq!(act(&mut seats[0].player, "deal", json!(null)), "OK");
}

#[test]
fn who_thinks_too_long_has_a_card_played() {
    let server = start();
    let owner = server.guest();
    let room = lobby(&owner, 4, "turn_ms", 1000);
    let mut seats = vec![Seat::take(owner, &room), Seat::take(server.guest(), &room)];
    deal(&mut seats);
    let mut cards = 0;
    for waits in [true, false, true] {
        let turn = all_hear(&mut seats, &["turn"])["payload"].take();
        let on_turn = seats.iter().position(|seat| turn["user_id"] == seat.id()).unwrap();
        if !waits {
            std::thread::sleep(Duration::from_millis(300));
            play(&mut seats[on_turn]);
        }
        let played = all_hear(&mut seats, &["played"])["payload"].take();
        assert_eq!((&played["user_id"], &played["by_clock"]), (&turn["user_id"], &json!(waits)));
        let took = played["at"].as_u64().unwrap() - turn["at"].as_u64().unwrap();
        // Also behind somebody who did not need all of the time.
        assert!(!waits || (1000..3000).contains(&took), "{took} ms");
        seats[on_turn].hand.retain(|card| played["card"] != *card);
        cards += 1;
        assert_eq!(seats.iter().map(|seat| seat.hand.len()).sum::<usize>(), 10 - cards, "{played}");
    }
}

#[test]
fn who_leaves_is_skipped_and_the_last_one_wins() {
    let server = start();
    let owner = server.guest();
    let room = owner.create_lobby(4);
    let mut seats = vec![Seat::take(owner, &room)];
    seats.extend((0..3).map(|_| Seat::take(server.guest(), &room)));
    deal(&mut seats);
    let owners = owners(&seats);
    // One that is on turn: long before its time is over, the next one is.
    let turn = next_turn(&mut seats).unwrap();
    let began = Instant::now();
    seats.remove(turn).player.close();
    let turn = next_turn(&mut seats).unwrap();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    // One that is not on turn, by a call: it is never on turn again.
    let on_turn = seats[turn].id().to_owned();
    let left = seats.remove((turn + 1) % 3);
    assert_eq!(left.guest.rpc("leave_lobby", json!([room]), &[]).status, 200);
    let mut turn = seats.iter().position(|seat| seat.id() == on_turn).unwrap();
    for _ in 0..3 {
        play(&mut seats[turn]);
        turn = next_turn(&mut seats).unwrap();
    }
    // One is left.
    seats.remove(1).player.close();
    let winner = seats[0].hear(&["winner"]);
    assert_eq!(winner["payload"]["user_id"], seats[0].id());
    let heard = seats[0].heard();
    has_seen_no_hand_but(seats[0].id(), &heard, &owners);
}
