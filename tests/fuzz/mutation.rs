//! Inputs that are like good ones: each is made from its own seed, so that one that breaks something is made again by it alone.

use std::fs;
use std::path::PathBuf;

use godra_engine::SplitMix;

/// Numbers at which limits, signs and lengths change.
const EDGES: [u8; 9] = [0, 1, 0x7d, 0x7e, 0x7f, 0x80, 0xc0, 0xfe, 0xff];
const MOST_CHANGES: usize = 6;
const MOST_BYTES: usize = 4096;

/// What inputs are made of.
pub(super) struct Corpus {
    pub files: Vec<(PathBuf, Vec<u8>)>,
    words: Vec<Vec<u8>>,
}

impl Corpus {
    /// What is in `tests/fuzz/corpus` for a target.
    pub(super) fn read(target: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
        let entries = fs::read_dir(folder.join(target)).expect("every target has a folder");
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let files: Vec<_> = paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
        assert!(!files.is_empty(), "nothing is in the corpus of {target}");
        let words = fs::read_to_string(folder.join(format!("{target}.dict"))).unwrap_or_default();
        Self { files, words: words.lines().filter_map(word).collect() }
    }

    /// The input of a seed.
    pub(super) fn input(&self, seed: u64) -> Vec<u8> {
        let mut random = SplitMix(seed);
        let mut input = self.any_file(&mut random).to_vec();
        for _ in 0..=random.below(MOST_CHANGES) {
            self.change(&mut input, &mut random);
        }
        input.truncate(MOST_BYTES);
        input
    }

    fn any_file(&self, random: &mut SplitMix) -> &[u8] {
        &self.files[random.below(self.files.len())].1
    }

    fn change(&self, input: &mut Vec<u8>, random: &mut SplitMix) {
        let at = random.below(input.len() + 1);
        let end = (at + random.below(16) + 1).min(input.len());
        match random.below(9) {
            0 if at < end => input[at] ^= 1 << random.below(8),
            1 if at < end => input[at] = EDGES[random.below(EDGES.len())],
            2 if at < end => input[at] = random.below(256) as u8,
            3 => drop(input.drain(at..end)),
            4 => {
                let again = input[at..end].to_vec();
                let times = 1 + random.below(40);
                input.splice(at..at, again.repeat(times));
            }
            5 => input.truncate(at),
            6 => {
                let other = self.any_file(random);
                let from = random.below(other.len() + 1);
                let other = other[from..].to_vec();
                input.splice(at..end, other);
            }
            7 if !self.words.is_empty() => {
                let word = &self.words[random.below(self.words.len())];
                input.splice(at..at, word.iter().copied());
            }
            _ => input.insert(at, random.below(256) as u8),
        }
    }
}

/// A line of a dictionary: `"text"`, in which `\xNN` is a byte.
fn word(line: &str) -> Option<Vec<u8>> {
    let mut rest = line.trim().strip_prefix('"')?.strip_suffix('"')?.bytes();
    let mut word = Vec::new();
    while let Some(byte) = rest.next() {
        let escaped = if byte == b'\\' { rest.next() } else { None };
        word.push(match escaped {
            Some(b'x') => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            Some(other) => other,
            None => byte,
        });
    }
    Some(word)
}
