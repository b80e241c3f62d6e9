//! How a client names its inputs: by numbers, in any JSON spelling of a whole number (`7`, `7.0`, `7e0`).

use std::num::NonZeroU64;

/// Largest `n`: up to here every JSON library keeps whole numbers apart.
pub const MAX_N: u64 = 1 << 53;

/// How many first answers are kept of a user's numbered inputs in a room.
pub const KEPT_ANSWERS: usize = 16;
/// The longest answer that is kept.
pub const MAX_ANSWER_BYTES: usize = 512;

/// The order of a connection's numbered inputs, in a place that may refuse some.
///
/// An input runs only if its number is above the last one that ran. So one that was refused could never run once a later one has:
/// the later ones are refused, too, until it comes again. They come again in order.
#[derive(Clone, Copy, Debug, Default)]
pub struct InputOrder {
    /// All up to this one have run, as far as is known here.
    last_ran: u64,
    refused: Option<Refused>,
}

/// Inputs that were refused, and have neither come again nor run.
#[derive(Clone, Copy, Debug)]
struct Refused {
    first: u64,
    last: u64,
    /// Whether it is known that the first was refused: else the first that was is one up to the last.
    is_first_known: bool,
}

impl InputOrder {
    /// Of a connection that begins when all up to this one have run.
    pub fn after(last_ran: u64) -> Self {
        Self { last_ran, refused: None }
    }

    /// The last of which it is known that it ran; 0 if none did.
    pub fn last_ran(&self) -> u64 {
        self.last_ran
    }

    /// All up to this one have run. It may have been refused when it was sent a second time.
    pub fn ran(&mut self, n: u64) {
        self.last_ran = self.last_ran.max(n);
        self.refused = self.refused.filter(|refused| refused.last > n);
        if let Some(refused) = self.refused.as_mut().filter(|refused| refused.first <= n) {
            (refused.first, refused.is_first_known) = (n + 1, false);
        }
    }

    /// An input was refused, and may come again.
    pub fn refused(&mut self, n: Option<NonZeroU64>) {
        let Some(n) = n.map(NonZeroU64::get).filter(|n| *n > self.last_ran) else { return };
        let refused = self.refused.get_or_insert(Refused { first: n, last: n, is_first_known: true });
        // One that was passed on may be refused only after one behind it was.
        if n <= refused.first {
            (refused.first, refused.is_first_known) = (n, true);
        }
        refused.last = refused.last.max(n);
    }

    /// An input comes; returns whether it has to wait for one that was refused.
    pub fn holds_back(&mut self, n: Option<NonZeroU64>) -> bool {
        let (Some(n), Some(refused)) = (n.map(NonZeroU64::get), &mut self.refused) else { return false };
        let comes_again = n == refused.first || !refused.is_first_known && n <= refused.last;
        if n < refused.first {
            return false;
        }
        if comes_again {
            self.refused = None;
        } else {
            refused.last = refused.last.max(n);
        }
        !comes_again
    }
}

/// What a client is told whose input came behind one that did not run.
pub const OUT_OF_ORDER: &str =
    "an input with a smaller n did not run; send that one again, and then this one";

/// What a client knows an input by: an answer that says no carries both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InputName {
    /// With it a success is answered, too.
    pub id: Option<u64>,
    /// Counts the player's inputs: each runs at most once.
    pub n: Option<NonZeroU64>,
}

/// The `id` that this JSON text spells.
pub(super) fn id(json: &str) -> Result<u64, &'static str> {
    whole(json).ok_or("id must be a whole number from 0 to 2^64-1")
}

/// The `n` that this JSON text spells.
pub(super) fn n(json: &str) -> Result<NonZeroU64, &'static str> {
    let n = whole(json).filter(|n| *n <= MAX_N).and_then(NonZeroU64::new);
    n.ok_or("n must be a whole number from 1 to 2^53")
}

/// A whole number in any of its spellings.
pub fn whole(json: &str) -> Option<u64> {
    if let Ok(number) = json.parse() {
        return Some(number);
    }
    let (is_negative, json) = json.strip_prefix('-').map_or((false, json), |rest| (true, rest));
    let (decimal, exponent) = json.split_once(['e', 'E']).unwrap_or((json, "0"));
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
    let digits = [whole, fraction].concat();
    if whole.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Counted and not calculated: a double would round what has many digits.
    let significant = digits.trim_end_matches('0');
    let zeros = i64::from(exponent.parse::<i32>().ok()?) - fraction.len() as i64
        + (digits.len() - significant.len()) as i64;
    match significant.trim_start_matches('0') {
        "" => Some(0),
        _ if is_negative => None,
        significant => {
            let power = 10_u64.checked_pow(u32::try_from(zeros).ok()?)?;
            significant.parse::<u64>().ok()?.checked_mul(power)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_behind_a_refused_one_wait_until_it_comes_again() {
        let mut order = InputOrder::default();
        let mut holds_back = |n: u64, is_refused: bool| {
            let held = order.holds_back(NonZeroU64::new(n));
            if is_refused {
                order.refused(NonZeroU64::new(n));
            }
            held
        };
        assert_eq!([holds_back(5, false), holds_back(6, true)], [false, false]);
        assert_eq!([holds_back(0, false), holds_back(7, true), holds_back(8, false)], [false, true, true]);
        assert_eq!([holds_back(6, true), holds_back(7, false)], [false, true]);
        assert_eq!([holds_back(5, false), holds_back(6, false), holds_back(7, false)], [false, false, false]);
    }

    #[test]
    fn the_first_refused_counts_however_late_it_is_known() {
        let (n, mut order) = (NonZeroU64::new, InputOrder::default());
        order.refused(n(6));
        order.refused(n(5));
        assert!(order.holds_back(n(6)));
        assert!(!order.holds_back(n(5)) && !order.holds_back(n(6)));
    }

    /// A client sends again what it had no answer to; when the first of that had run, one that was refused behind it was
    /// forgotten, and could never run once a later one had.
    #[test]
    fn regression_one_that_is_refused_when_it_comes_again_hides_no_other() {
        let (n, mut order) = (NonZeroU64::new, InputOrder::default());
        assert!(!order.holds_back(n(1)) && !order.holds_back(n(2)) && !order.holds_back(n(4)));
        order.refused(n(4));
        assert!(!order.holds_back(n(1)), "it is on its way");
        order.refused(n(1));
        order.ran(2);
        assert!(order.holds_back(n(5)), "the one before it has not come again");
        assert!(!order.holds_back(n(2)) && order.holds_back(n(6)));
        assert!(!order.holds_back(n(4)) && !order.holds_back(n(5)) && !order.holds_back(n(6)));
    }

    #[test]
    fn nothing_waits_for_one_that_has_run() {
        let (n, mut order) = (NonZeroU64::new, InputOrder::after(4));
        order.refused(n(4));
        assert!(!order.holds_back(n(5)), "it was sent twice");
        order.refused(n(5));
        order.ran(5);
        assert!(!order.holds_back(n(6)), "it ran when it was sent first");
        order.refused(n(7));
        order.ran(6);
        assert!(order.holds_back(n(8)));
        assert_eq!(order.last_ran(), 6);
    }

    #[test]
    fn whole_numbers_in_any_spelling() {
        for seven in ["7", "7.0", "7e0", "7E+0", "70e-1", "0.7e1", "7.000"] {
            assert_eq!((id(seven), n(seven).map(NonZeroU64::get)), (Ok(7), Ok(7)), "{seven}");
        }
        assert_eq!((id("0"), id("-0"), id("0.0")), (Ok(0), Ok(0), Ok(0)));
        assert_eq!(id("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(n("9007199254740992").map(NonZeroU64::get), Ok(MAX_N));
        assert_eq!((id("1e16"), id("1.8446744073709551615e19")), (Ok(10_000_000_000_000_000), Ok(u64::MAX)));
        assert_eq!(
            (id("0e999"), id("-0.0e5"), id("100000000000000000000e-2")),
            (Ok(0), Ok(0), Ok(10_u64.pow(18)))
        );
        assert_eq!(n("9.007199254740991e15").map(NonZeroU64::get), Ok(MAX_N - 1));
    }

    #[test]
    fn numbers_that_are_not() {
        for bad in [
            "-1",
            "-1.0",
            "1.5",
            "1e-1",
            r#""1""#,
            "[]",
            "{}",
            "true",
            "18446744073709551616",
            "1e20",
            "1e999",
            ".5",
            "inf",
            "1e",
            "",
        ] {
            assert!(id(bad).is_err() && n(bad).is_err(), "{bad}");
        }
        for bad in
            ["0", "0.0", "-0", "1e16", "9007199254740993", "9007199254740993.0", "18446744073709551615"]
        {
            assert!(n(bad).is_err(), "{bad}");
        }
    }
}
