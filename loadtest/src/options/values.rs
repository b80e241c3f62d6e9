//! Values on the command line: what is allowed for each.

use std::time::Duration;

/// A time with a unit: `500ms`, `10s`, `2m`, `1h`; seconds without one.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit_s = match &text[digits.len()..] {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        _ => return Err("the unit is one of ms, s, m, h".into()),
    };
    let number: f64 =
        digits.parse().map_err(|_| "expected is a number with a unit, such as 500ms or 10s".to_owned())?;
    Duration::try_from_secs_f64(number * unit_s).map_err(|error| error.to_string())
}

fn number_that(text: &str, holds: impl Fn(f64) -> bool, expected: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && holds(*number));
    number.ok_or_else(|| format!("expected is a number {expected}"))
}

/// A number above 0.
pub(super) fn positive(text: &str) -> Result<f64, String> {
    number_that(text, |number| number > 0.0, "above 0")
}

/// A number of 0 or more.
pub(super) fn not_negative(text: &str) -> Result<f64, String> {
    number_that(text, |number| number >= 0.0, "of 0 or more")
}

/// A number above 1.
pub(super) fn above_one(text: &str) -> Result<f64, String> {
    number_that(text, |number| number > 1.0, "above 1")
}

/// A number from 0 to 1.
pub(super) fn share(text: &str) -> Result<f64, String> {
    number_that(text, |number| (0.0..=1.0).contains(&number), "from 0 to 1")
}

/// A whole number above 0.
pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "expected is a whole number above 0".into())
}

/// Two numbers with a comma between.
pub(crate) fn point(text: &str) -> Result<(f64, f64), String> {
    let numbers =
        text.split_once(',').and_then(|(x, y)| Some((x.trim().parse().ok()?, y.trim().parse().ok()?)));
    numbers
        .filter(|(x, y): &(f64, f64)| x.is_finite() && y.is_finite())
        .ok_or_else(|| "expected are two numbers, as in 10,10".into())
}
