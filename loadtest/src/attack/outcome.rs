//! What attacks were answered, and whether that is what they should get.

use super::Kind;
use std::collections::BTreeMap;
use std::time::Duration;

/// What an attack's connections came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Connections that were opened.
    pub opened: u64,
    /// Bytes that the server took.
    pub bytes_sent: u64,
    /// By what was said: an HTTP status, the code of an `error`, `close CODE`, or `ended` without a word.
    pub answers: BTreeMap<String, u64>,
}

impl Tally {
    pub(crate) fn count(&mut self, answer: String) {
        *self.answers.entry(answer).or_default() += 1;
    }

    /// The answers in one line, the most frequent first.
    pub(crate) fn line(&self) -> String {
        let mut answers: Vec<(&String, &u64)> = self.answers.iter().collect();
        answers.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let answers: Vec<String> =
            answers.iter().map(|(answer, count)| format!("{count} × {answer}")).collect();
        let answers = if answers.is_empty() { "nothing".into() } else { answers.join(", ") };
        let megabytes = self.bytes_sent as f64 / 1e6;
        format!("{} connections, {megabytes:.1} MB sent, answered: {answers}", self.opened)
    }
}

/// What is wrong with how an attack was met, if it went on for this long. Over TLS a server turns a crowd away without a word, as
/// one would cost it a handshake.
pub(crate) fn judge(kind: &Kind, is_secure: bool, tally: &Tally, lasted: Duration) -> Option<String> {
    let broken = tally.answers.keys().find(|answer| is_broken(answer));
    if let Some(answer) = broken {
        return Some(format!("it broke something: {answer} ({})", tally.line()));
    }
    if lasted < kind.within {
        return None;
    }
    let must = if is_secure && kind.is_crowd() { &["ended"] } else { kind.must };
    let is_met = must.iter().any(|wanted| tally.answers.contains_key(*wanted));
    let wanted = || must.join(" or ");
    (!must.is_empty() && !is_met).then(|| format!("it should get {}: {}", wanted(), tally.line()))
}

/// Whether an answer tells of a server that did not know what to do.
fn is_broken(answer: &str) -> bool {
    matches!(answer, "500" | "502" | "504" | "close 1011" | "internal" | "script_error" | "malformed")
}

#[cfg(test)]
mod tests {
    use super::super::KINDS;
    use super::*;

    fn kind(name: &str) -> &'static Kind {
        KINDS.iter().find(|kind| kind.name == name).expect("the attack is in the table")
    }

    fn tally(answers: &[&str]) -> Tally {
        let mut tally = Tally::default();
        answers.iter().for_each(|answer| tally.count((*answer).into()));
        tally
    }

    #[test]
    fn an_attack_must_get_what_it_should_once_it_had_the_time() {
        let check = |name: &str, answers: &[&str], seconds, right: bool| {
            let verdict = judge(kind(name), false, &tally(answers), Duration::from_secs(seconds));
            assert_eq!(verdict.is_none(), right, "{name} {answers:?}: {verdict:?}");
        };
        check("inputs", &["rate_limited"], 10, true);
        check("inputs", &["ended"], 10, false);
        check("inputs", &[], 0, true);
        check("half-bodies", &[], 20, true);
        check("half-bodies", &[], 100, false);
        check("half-bodies", &["408"], 100, true);
        check("logins", &["429", "500"], 10, false);
        check("inputs", &["rate_limited", "close 1011"], 0, false);
    }

    #[test]
    fn a_crowd_is_turned_away_without_a_word_over_tls() {
        let verdict = |is_secure, answer| {
            judge(kind("crowd"), is_secure, &tally(&[answer]), Duration::from_secs(10)).is_none()
        };
        assert!(verdict(true, "ended") && verdict(false, "503"));
        assert!(!verdict(true, "503") && !verdict(false, "ended"));
    }

    #[test]
    fn answers_are_told_by_their_number() {
        let mut tally = tally(&["429", "ended", "429"]);
        tally.opened = 3;
        assert_eq!(tally.line(), "3 connections, 0.0 MB sent, answered: 2 × 429, 1 × ended");
        assert!(Tally::default().line().ends_with("answered: nothing"));
    }
}
