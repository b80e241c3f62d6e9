//! The server's own counters (`/metrics`), before and after the run.

use crate::client::http::{Call, Http};
use std::collections::BTreeMap;

/// Values by series, as the text names them.
pub(crate) type Samples = BTreeMap<String, f64>;

/// Reads the server's metrics; none if it has no such page.
pub(crate) fn scrape(http: &mut Http) -> Option<Samples> {
    let call = Call { method: "GET", path: "/metrics", token: None, body: String::new() };
    let answer = http.call(&call).ok().filter(|answer| answer.status == 200)?;
    Some(parse(&answer.body))
}

/// What grew between two readings, without the buckets of histograms.
pub(crate) fn growth(before: &Samples, after: &Samples) -> Samples {
    let grown = after.iter().map(|(name, value)| (name, value - before.get(name).unwrap_or(&0.0)));
    grown
        .filter(|(name, by)| *by > 0.0 && !name.contains("_bucket"))
        .map(|(name, by)| (name.clone(), by))
        .collect()
}

fn parse(text: &str) -> Samples {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.rsplit_once(' '))
        .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grew() {
        let before = parse("# HELP a b\na_total 1\nb{x=\"1 2\"} 5\nc_bucket{le=\"1\"} 1\n");
        let after = parse("a_total 4\nb{x=\"1 2\"} 5\nc_bucket{le=\"1\"} 9\nd_total 2\nbad line\n");
        let expected = [("a_total".to_owned(), 3.0), ("d_total".to_owned(), 2.0)];
        assert_eq!(growth(&before, &after), expected.into());
    }
}
