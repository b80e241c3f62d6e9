//! Values go there and back; other bytes are told from them.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use godra_engine::keyspace::IndexMap;

/// A value without its tables, to be compared.
#[derive(Debug, PartialEq)]
enum Plain {
    String(Vec<u8>),
    Hash(BTreeMap<Vec<u8>, Vec<u8>>),
    Set(Vec<Vec<u8>>),
    SortedSet(BTreeMap<Vec<u8>, u64>),
    List(Vec<Vec<u8>>),
}

fn plain(value: &Value) -> Plain {
    fn sorted<V>(map: &IndexMap<V>) -> impl Iterator<Item = (Vec<u8>, &V)> {
        map.entries().iter().map(|entry| (entry.key.to_vec(), &entry.value))
    }
    match value {
        Value::String(bytes) => Plain::String(bytes.clone()),
        Value::Hash(hash) => {
            Plain::Hash(sorted(hash).map(|(field, value)| (field, value.to_vec())).collect())
        }
        Value::Set(set) => {
            let mut members: Vec<_> = sorted(set).map(|(member, ())| member).collect();
            members.sort();
            Plain::Set(members)
        }
        Value::SortedSet(set) => {
            Plain::SortedSet(sorted(set.members()).map(|(member, score)| (member, score.to_bits())).collect())
        }
        Value::List(list) => Plain::List(list.iter().map(|element| element.to_vec()).collect()),
    }
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(any::<u8>(), 0..40), vec(any::<u8>(), 120..300)]
}

fn value() -> impl Strategy<Value = Value> {
    let score = any::<f64>().prop_filter("a score is a number", |score| !score.is_nan());
    prop_oneof![
        bytes().prop_map(Value::String),
        vec((bytes(), bytes()), 1..30).prop_map(|fields| {
            let mut hash = Hash::empty(1);
            for (field, value) in &fields {
                hash.insert(field, SmallBytes::new(value));
            }
            hash.into_value()
        }),
        vec(bytes(), 1..30).prop_map(|members| {
            let mut set = Set::empty(1);
            for member in &members {
                set.insert(member, ());
            }
            set.into_value()
        }),
        vec((bytes(), score), 1..30).prop_map(|members| {
            let mut set = SortedSet::empty(1);
            for (member, score) in &members {
                set.insert(member, *score);
            }
            set.into_value()
        }),
        vec(bytes(), 1..30).prop_map(|elements| {
            elements.iter().map(|element| SmallBytes::new(element)).collect::<List>().into_value()
        }),
    ]
}

fn encoded(key: &[u8], value: &Value, end: Option<u64>) -> Vec<u8> {
    let mut out = Vec::new();
    encode(key, value, end, &mut out);
    out
}

/// Puts the right checksum to a body that may make no sense.
fn sealed(mut body: Vec<u8>) -> Vec<u8> {
    let checksum = checksum(b"key", &body);
    body.extend_from_slice(&checksum.to_le_bytes());
    body
}

proptest! {
    #[test]
    fn values_go_there_and_back(key in bytes(), value in value(), end in any::<Option<u64>>()) {
        let (found, found_end) = decode(&key, &encoded(&key, &value, end), 2).unwrap();
        prop_assert_eq!(plain(&found), plain(&value));
        prop_assert_eq!(found_end, end);
    }

    #[test]
    fn a_flipped_bit_is_noticed(value in value(), at in any::<prop::sample::Index>(), bit in 0..8) {
        let mut bytes = encoded(b"key", &value, Some(7));
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        prop_assert!(decode(b"key", &bytes, 1).is_err());
    }

    #[test]
    fn a_piece_is_noticed(value in value(), at in any::<prop::sample::Index>()) {
        let bytes = encoded(b"key", &value, None);
        prop_assert!(decode(b"key", &bytes[..at.index(bytes.len())], 1).is_err());
    }

    #[test]
    fn nonsense_with_a_right_checksum_does_no_harm(
        kind in 0..8_u8, has_end in any::<bool>(), body in vec(any::<u8>(), 0..60)
    ) {
        let head = vec![VERSION, kind | if has_end { HAS_END } else { 0 }];
        if let Ok((value, end)) = decode(b"key", &sealed([head, body].concat()), 1) {
            let again = decode(b"key", &encoded(b"key", &value, end), 1).unwrap();
            prop_assert_eq!(plain(&again.0), plain(&value));
        }
    }
}

#[test]
fn bodies_that_make_no_sense_are_refused() {
    let check = |body: &[u8], expected: &'static str| {
        assert_eq!(decode(b"key", &sealed(body.to_vec()), 1).map(|_| ()), Err(Damage(expected)), "{body:?}");
    };
    check(&[], "it ends too early");
    check(&[2, STRING], "its form is unknown");
    check(&[VERSION, 6], "its kind is unknown");
    check(&[VERSION, STRING | HAS_END, 1, 2], "it ends too early");
    check(&[VERSION, SET, 0], "it cannot have so many elements");
    check(&[VERSION, SET, 0xff, 0xff, 0xff, 0xff, 0x0f], "it cannot have so many elements");
    check(&[VERSION, SET, 1, 1, b'a', 0], "something follows it");
    check(&[VERSION, SET, 2, 1, b'a', 1, b'a'], "an element is there twice");
    check(&[VERSION, LIST, 1, 2, b'a'], "it ends too early");
    check(&[VERSION, HASH, 1, 1, b'a'], "it ends too early");
    let mut not_a_number = vec![VERSION, SORTED_SET, 1, 1, b'a'];
    not_a_number.extend_from_slice(&f64::NAN.to_le_bytes());
    check(&not_a_number, "a score is not a number");
    assert_eq!(
        decode(b"other", &sealed(vec![VERSION, STRING]), 1).map(|_| ()),
        Err(Damage("its checksum is wrong"))
    );
}
