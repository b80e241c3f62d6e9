//! The order and the bytes of messages; that what is known agrees with the keys is tested with the library.

use super::*;

fn body() -> Body<'static> {
    Body {
        due_ms: 1 << 40,
        is_at_once: true,
        from: "a",
        to: "",
        script: "ring",
        name: Some(b"\0:"),
        payload: b"{\"x\":1}",
    }
}

#[test]
fn a_body_is_read_as_it_was_written() {
    for body in [
        body(),
        Body { name: None, from: "", to: "room-1", is_at_once: false, ..body() },
        Body { name: Some(&[b'x'; 256]), payload: b"", ..body() },
    ] {
        assert_eq!(Body::decode(&body.encode()), Some(body));
    }
    assert_eq!(key("r2", 7), b"godra:mail:r2:7");
    assert_eq!((body::id_of(b"godra:mail:r2:7"), body::id_of(b"godra:mail::x")), (Some(7), None));
}

#[test]
fn bytes_that_are_no_body_are_refused() {
    let whole = body().encode();
    let head = whole.len() - body().payload.len();
    for end in 0..head {
        assert_eq!(Body::decode(&whole[..end]), None, "{end}");
    }
    for (at, byte) in [(0, 2), (1, 4), (1, 0xff), (10, 0xff)] {
        let mut bytes = whole.clone();
        bytes[at] = byte;
        assert_eq!(Body::decode(&bytes), None, "{at}");
    }
}

/// Any calls that send, take back, fail and run: what is known stays what a plain list says.
#[test]
fn it_is_what_a_plain_list_says() {
    let mut random = godra_engine::SplitMix(11);
    let mut below = move |most: u64| random.next_u64() % most;
    for _ in 0..100 {
        let (mut mail, mut list) = (Mail::new(usize::MAX), Vec::<(Address, Place, Option<u64>)>::new());
        let now = Instant::now();
        for step in 0..60 {
            mail.begin_call();
            let before = list.clone();
            for _ in 0..below(6) {
                let (to, name) = (Address::from(["", "a", "b"][below(3) as usize]), below(4));
                let named = |name: u64| name.to_string().into_bytes().into_boxed_slice();
                match below(3) {
                    0 => {
                        for (to, place) in mail.all_named(&"s".into(), &named(name)) {
                            mail.take_back(&to, place);
                        }
                        list.retain(|(_, _, known)| *known != Some(name));
                    }
                    1 => {
                        let id = mail.next_id(&to, None, None, 10).unwrap();
                        let place = Place { due_ms: step, id, is_at_once: true };
                        mail.sent(to.clone(), place, None, 10);
                        list.push((to, place, None));
                    }
                    _ => {
                        let replaced = mail.named(&"s".into(), &named(name), &to);
                        let id = mail.next_id(&to, replaced, Some(b"n"), 10).unwrap();
                        let place = Place { due_ms: step + below(20), id, is_at_once: false };
                        mail.sent(to.clone(), place, Some(("s".into(), named(name))), 10);
                        if let Some(replaced) = replaced {
                            mail.take_back(&to, replaced);
                        }
                        list.retain(|(known_to, _, known)| !(*known_to == to && *known == Some(name)));
                        list.push((to, place, Some(name)));
                    }
                }
            }
            if below(3) == 0 {
                mail.undo_call();
                list = before;
            }
            assert_eq!(mail.len(), list.len());
            let named = |name: &Option<u64>| name.is_some().then_some(&b"n"[..]);
            let each = list.iter().map(|(to, _, name)| bytes_of(to, named(name), 10)).sum::<usize>();
            assert_eq!(mail.bytes(), each);
            if let Some(to) = mail.next_receiver(now, step) {
                let most = below(5) as usize;
                let due: Vec<Place> = mail.due(&to, step).take(most).collect();
                let mut expected: Vec<Place> =
                    list.iter().filter(|(known, ..)| *known == to).map(|(_, place, _)| *place).collect();
                expected.retain(|place| place.is_at_once || place.due_ms <= step);
                expected.sort_by_key(|place| (place.due_ms, place.id));
                expected.truncate(most);
                assert_eq!(due, expected);
                due.iter().for_each(|place| assert!(mail.take(&to, *place) && !mail.take(&to, *place)));
                list.retain(|(_, place, _)| !due.contains(place));
                mail.ran(to, due.len(), now);
            } else {
                let is_due =
                    |(_, place, _): &&(Address, Place, Option<u64>)| place.is_at_once || place.due_ms <= step;
                assert_eq!(list.iter().find(is_due), None, "somebody has something due");
            }
            let next_ms =
                list.iter().map(|(_, place, _)| if place.is_at_once { 0 } else { place.due_ms }).min();
            let later = now + Duration::from_secs(1);
            while next_ms.is_none_or(|next_ms| next_ms > step)
                && mail.wait(later, step) == Some(Duration::ZERO)
            {
                // Whose messages were taken back while it waited for its turn.
                let to = mail.next_receiver(later, step).expect("it is its turn");
                assert_eq!(mail.due(&to, step).next(), None);
                mail.ran(to, 0, now);
            }
            let wait = mail.wait(later, step);
            let expected = next_ms.map(|next_ms| Duration::from_millis(next_ms.saturating_sub(step)));
            assert_eq!(wait, expected);
        }
    }
}

/// How long it takes at least to run ten that are due, of so many pending in a thousand rooms.
fn time_to_run(pending: u64) -> Duration {
    let mut mail = Mail::new(usize::MAX);
    for number in 0..pending {
        mail.begin_call();
        let to = Address::from(format!("room-{}", number % 1000));
        let id = mail.next_id(&to, None, None, 10).unwrap();
        mail.sent(to, Place { due_ms: 1 + number, id, is_at_once: false }, None, 10);
    }
    let mut shortest = Duration::MAX;
    for round in 1..=50 {
        let began = Instant::now();
        let mut ran = 0;
        while let Some(to) = mail.next_receiver(began, round * 10) {
            let due: Vec<Place> = mail.due(&to, round * 10).collect();
            due.iter().for_each(|place| assert!(mail.take(&to, *place)));
            ran += due.len();
            mail.ran(to, due.len(), began);
        }
        assert_eq!(ran, 10);
        shortest = shortest.min(began.elapsed());
    }
    shortest
}

#[test]
fn to_run_one_of_many_costs_about_as_much_as_one_of_few() {
    let (few, many) = (time_to_run(1000), time_to_run(500_000));
    assert!(many < few * 10 + Duration::from_millis(1), "{many:?}, and {few:?} of a thousand");
}

#[test]
fn what_it_takes_is_counted() {
    use crate::state::sizes::tests::check;
    let place =
        |id: usize, is_at_once| Place { due_ms: 1_000_000 + id as u64, id: id as u64 + 1, is_at_once };
    let empty = |mail: &mut Mail| {
        mail.begin_call();
        let _ = mail.next_receiver(Instant::now(), 0);
    };
    let to = |number: usize| SmolStr::new(format!("{number:08}"));
    for is_at_once in [true, false] {
        check(
            "one message each",
            || Mail::new(usize::MAX),
            |mail, number| {
                mail.sent(to(number), place(number, is_at_once), None, 10);
                empty(mail);
            },
            Mail::memory_bytes,
        );
        check(
            "many messages",
            || Mail::new(usize::MAX),
            |mail, number| {
                mail.sent(to(number / 500), place(number, is_at_once), None, 10);
                empty(mail);
            },
            Mail::memory_bytes,
        );
    }
    check(
        "named messages",
        || Mail::new(usize::MAX),
        |mail, number| {
            let name = format!("a name that is longer than usual {number}");
            mail.sent(to(number / 100), place(number, false), Some((to(1), name.into_bytes().into())), 10);
            empty(mail);
        },
        Mail::memory_bytes,
    );
}
