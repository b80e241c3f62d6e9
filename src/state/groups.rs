//! Groups of a room's users: how they are named and kept. Both engines keep them in the store, as sets: of each group its
//! users, and of each user its groups.

/// The longest name of a group, in bytes.
pub(super) const MAX_NAME_BYTES: usize = 64;
/// The longest id of a user, in bytes.
pub(super) const MAX_USER_BYTES: usize = 128;
/// The longest reason that a close frame holds, in bytes (RFC 6455, sections 5.5 and 5.5.1).
pub(super) const MAX_REASON_BYTES: usize = 123;
/// The longest key by which an event replaces another, in bytes.
pub(super) const MAX_KEY_BYTES: usize = 128;
/// In how many groups of a room a user may be.
pub(super) const MAX_GROUPS: usize = 256;
/// How many users, or groups, an event or a call may name.
pub(super) const MAX_NAMED: usize = 10_000;
/// How long a group lasts without anybody joining it, in seconds: as long as a room's record.
pub(super) const TTL_S: u64 = 604_800;
/// What names of map cells begin with.
pub(super) const CELL: &str = "cell:";
/// How far from its own cell a user may listen, in cells: together they are fewer than [`MAX_GROUPS`].
pub(super) const MAX_REACH: f64 = 7.0;
/// Cells have whole numbers that a double holds exactly.
const MAX_CELL: f64 = 9_007_199_254_740_992.0;

/// Whether text may name a group or a user: it has no control characters, which separate names where they are listed.
pub(super) fn is_name(text: &[u8], most: usize) -> bool {
    (1..=most).contains(&text.len()) && !text.iter().any(u8::is_ascii_control)
}

/// The part of a cell's name that says of which size it is, with the colon behind it.
pub(super) fn cell_size(name: &[u8]) -> Option<&[u8]> {
    let rest = name.strip_prefix(CELL.as_bytes())?;
    let size = rest.iter().position(|byte| *byte == b':')?;
    Some(&name[..CELL.len() + size + 1])
}

/// The number of the cell in which a coordinate is.
pub(super) fn cell_of(coordinate: f64, size: f64) -> Option<i64> {
    let cell = (coordinate / size).floor();
    (cell.abs() + MAX_REACH < MAX_CELL).then_some(cell as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (text, is_good) in [("red", true), ("", false), ("a b", true), ("a\tb", false), ("é", true)] {
            assert_eq!(is_name(text.as_bytes(), MAX_NAME_BYTES), is_good, "{text:?}");
        }
        assert!(is_name(&[b'x'; 64], 64) && !is_name(&[b'x'; 65], 64));
    }

    #[test]
    fn cells() {
        assert_eq!(cell_size(b"cell:100:-1:2"), Some(&b"cell:100:"[..]));
        assert_eq!((cell_size(b"cell:100"), cell_size(b"red")), (None, None));
        assert_eq!(
            (cell_of(-0.5, 10.0), cell_of(25.0, 10.0), cell_of(-0.0, 10.0)),
            (Some(-1), Some(2), Some(0))
        );
        assert_eq!(cell_of(1e300, 1e-300), None);
        assert!((2.0 * MAX_REACH + 1.0).powi(2) < MAX_GROUPS as f64);
    }
}
