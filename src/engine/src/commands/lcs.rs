//! `LCS`: the longest common subsequence of two strings.

use super::super::keyspace::{Keyspace, Kind};
use super::super::reply::ReplyBuffer;
use super::arguments::{integer, is};
use super::failure::{Failure, Outcome};
use super::strings::MAX_LEN;

/// Nanoseconds for each pair of prefixes.
const CELL_NS: f64 = 7.0;

/// `LCS key1 key2 [LEN] [IDX] [MINMATCHLEN len] [WITHMATCHLEN]`
pub(super) fn lcs(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let [a, b] = [arguments[1], arguments[2]].map(|key| match keyspace.value(key) {
        Some(value) => Vec::of(value).map(Vec::as_slice),
        None => Some(&[][..]),
    });
    let (Some(a), Some(b)) = (a, b) else {
        return Err(Failure::fixed("ERR The specified keys must contain string values"));
    };
    let options = Options::parse(&arguments[3..])?;
    keyspace.allow_work(a.len().saturating_mul(b.len()), CELL_NS)?;
    let table = Table::new(a, b)?;
    match options.answer {
        Answer::Text => reply.bulk(&table.text()),
        Answer::Len => reply.integer(i64::from(table.len())),
        Answer::Matches => {
            reply.array(4);
            reply.bulk(b"matches");
            let opened = reply.begin_array();
            let mut written = 0;
            for matched in table.matches().iter().filter(|matched| matched.len() >= options.min_len) {
                matched.write(options.with_len, reply);
                written += 1;
            }
            reply.end_array(opened, written);
            reply.bulk(b"len");
            reply.integer(i64::from(table.len()));
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Text,
    Len,
    Matches,
}

struct Options {
    answer: Answer,
    min_len: usize,
    with_len: bool,
}

impl Options {
    fn parse(arguments: &[&[u8]]) -> Result<Self, Failure> {
        let (mut wants_len, mut wants_matches) = (false, false);
        let mut options = Self { answer: Answer::Text, min_len: 0, with_len: false };
        let mut rest = arguments.iter();
        while let Some(option) = rest.next() {
            if is(option, "idx") {
                wants_matches = true;
            } else if is(option, "len") {
                wants_len = true;
            } else if is(option, "withmatchlen") {
                options.with_len = true;
            } else if is(option, "minmatchlen")
                && let Some(len) = rest.next()
            {
                options.min_len = usize::try_from(integer(len)?).unwrap_or(0);
            } else {
                return Err(Failure::SYNTAX);
            }
        }
        options.answer = match (wants_len, wants_matches) {
            (true, true) => {
                return Err(Failure::fixed(
                    "ERR If you want both the length and indexes, please just use IDX.",
                ));
            }
            (true, false) => Answer::Len,
            (false, true) => Answer::Matches,
            (false, false) => Answer::Text,
        };
        Ok(options)
    }
}

/// A run of bytes that both strings have; the ends are included.
struct Match {
    a: (usize, usize),
    b: (usize, usize),
}

impl Match {
    fn len(&self) -> usize {
        self.a.1 - self.a.0 + 1
    }

    fn write(&self, with_len: bool, reply: &mut ReplyBuffer) {
        reply.array(2 + usize::from(with_len));
        for (first, last) in [self.a, self.b] {
            reply.array(2);
            reply.integer(first as i64);
            reply.integer(last as i64);
        }
        if with_len {
            reply.integer(self.len() as i64);
        }
    }
}

/// For every pair of prefixes, the length of their longest common subsequence.
struct Table<'a> {
    a: &'a [u8],
    b: &'a [u8],
    lens: Vec<u32>,
}

impl<'a> Table<'a> {
    fn new(a: &'a [u8], b: &'a [u8]) -> Result<Self, Failure> {
        let cells =
            (a.len() + 1).checked_mul(b.len() + 1).filter(|cells| cells * size_of::<u32>() <= MAX_LEN);
        let cells = cells.ok_or(Failure::fixed(
            "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
        ))?;
        let mut table = Self { a, b, lens: vec![0; cells] };
        for i in 1..=a.len() {
            for j in 1..=b.len() {
                let len = if a[i - 1] == b[j - 1] {
                    table.at(i - 1, j - 1) + 1
                } else {
                    table.at(i - 1, j).max(table.at(i, j - 1))
                };
                table.lens[i * (b.len() + 1) + j] = len;
            }
        }
        Ok(table)
    }

    fn at(&self, i: usize, j: usize) -> u32 {
        self.lens[i * (self.b.len() + 1) + j]
    }

    fn len(&self) -> u32 {
        self.at(self.a.len(), self.b.len())
    }

    /// The pairs of equal bytes of one longest common subsequence, from the last to the first.
    fn pairs(&self) -> Vec<(usize, usize)> {
        let mut pairs = Vec::new();
        let (mut i, mut j) = (self.a.len(), self.b.len());
        while i > 0 && j > 0 {
            if self.a[i - 1] == self.b[j - 1] {
                (i, j) = (i - 1, j - 1);
                pairs.push((i, j));
            } else if self.at(i - 1, j) > self.at(i, j - 1) {
                i -= 1;
            } else {
                j -= 1;
            }
        }
        pairs
    }

    fn text(&self) -> Vec<u8> {
        self.pairs().iter().rev().map(|(i, _)| self.a[*i]).collect()
    }

    /// Neighbouring pairs as runs, from the last to the first.
    fn matches(&self) -> Vec<Match> {
        let mut matches: Vec<Match> = Vec::new();
        for (i, j) in self.pairs() {
            match matches.last_mut() {
                Some(run) if run.a.0 == i + 1 && run.b.0 == j + 1 => (run.a.0, run.b.0) = (i, j),
                _ => matches.push(Match { a: (i, i), b: (j, j) }),
            }
        }
        matches
    }
}
