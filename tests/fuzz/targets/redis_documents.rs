//! What a store answers about documents.

use redis::Value;

use super::commands::{Hailed, Out, Rooms, Written, read_cold, read_gone, read_installed};
use crate::document::Address;

pub(in super::super) fn check(value: &Value) {
    let addresses =
        || vec![Address::parse("world/config").expect("valid"), Address::parse("a/b").expect("valid")];
    _ = (Hailed::read(value), read_cold(value));
    assert!(read_installed(Some(value), addresses()).len() <= 2);
    assert!(read_gone(Some(value), addresses()).len() <= 2);
    if let Ok(Some(out)) = Out::read(value.clone()) {
        _ = format!("{:?}", out.next);
    }
    _ = (Written::read(value.clone()), Rooms::read(value.clone()));
}
