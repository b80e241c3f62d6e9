//! The random numbers of one call: the same from the same seed here and in a Redis server, whose Lua has doubles and no more.

use sha1_smol::Sha1;

use crate::SplitMix;

/// L'Ecuyer's MRG32k3a: two linear recurrences, in which every product stays below 2^53. Its state is made of the SHA-1 of the
/// seed's text when the first number is drawn, so that a call that draws none pays nothing, and seeds that are close to one
/// another give numbers that are not.
#[derive(Clone, Debug)]
pub struct CallRandom {
    state: State,
    seed: u64,
    /// For what a Redis server picks by itself, which leaves the call's own numbers as they are.
    pub others: SplitMix,
}

#[derive(Clone, Debug)]
enum State {
    /// The call's seed is still to be hashed.
    Fresh,
    Running([i64; 6]),
}

const MODULUS_1: i64 = 4_294_967_087;
const MODULUS_2: i64 = 4_294_944_443;

impl CallRandom {
    /// Seeds have so many bits, so that Lua can hold them.
    pub const SEED_BITS: u32 = 53;

    /// The numbers of the call with that seed.
    pub fn new(seed: u64) -> Self {
        Self { state: State::Fresh, seed: seed & ((1 << Self::SEED_BITS) - 1), others: SplitMix(seed) }
    }

    /// From here on, the numbers that follow from another seed's text.
    pub fn reseed(&mut self, text: &[u8]) {
        self.state = State::Running(hashed(text));
    }

    /// A number in `0..1`, of 53 random bits.
    pub fn unit(&mut self) -> f64 {
        if let State::Fresh = self.state {
            self.reseed(self.seed.to_string().as_bytes());
        }
        let State::Running(state) = &mut self.state else { unreachable!("hashed above") };
        let (high, low) = (step(state), step(state) >> 11);
        (high << 21 | low) as f64 / (MODULUS_1 << 21) as f64
    }

    /// A number in `0..end`; `end` must not be 0.
    pub fn below(&mut self, end: usize) -> usize {
        debug_assert!(end > 0);
        (self.unit() * end as f64) as usize
    }
}

fn hashed(text: &[u8]) -> [i64; 6] {
    let digest = Sha1::from(text).digest().bytes();
    let word = |at: usize| i64::from(u32::from_be_bytes([0, 1, 2, 3].map(|byte| digest[4 * at + byte])));
    let first = [0, 1, 2].map(|at| word(at) % MODULUS_1);
    [first[0], first[1], first[2], word(3) % MODULUS_2, word(4) % MODULUS_2, 1]
}

/// The next 32 bits, nearly.
fn step(state: &mut [i64; 6]) -> i64 {
    let [a, b, c, d, e, f] = *state;
    let one = (1_403_580 * b - 810_728 * a).rem_euclid(MODULUS_1);
    let other = (527_612 * f - 1_370_589 * d).rem_euclid(MODULUS_2);
    *state = [b, c, one, e, f, other];
    (one - other).rem_euclid(MODULUS_1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often each of ten equal parts is hit, of so many numbers.
    fn counts(numbers: impl Iterator<Item = f64>) -> [u32; 10] {
        let mut counts = [0; 10];
        numbers.for_each(|number| counts[(number * 10.0) as usize] += 1);
        counts
    }

    fn assert_even(counts: [u32; 10]) {
        let mean = f64::from(counts.iter().sum::<u32>()) / 10.0;
        let chi_square: f64 = counts.iter().map(|&count| (f64::from(count) - mean).powi(2) / mean).sum();
        assert!(chi_square < 27.9, "one in a thousand fair counts is so uneven: {counts:?}");
    }

    #[test]
    fn numbers_of_a_seed_are_even_and_do_not_follow_from_one_another() {
        let mut random = CallRandom::new(7);
        let numbers: Vec<f64> = (0..100_000).map(|_| random.unit()).collect();
        assert_even(counts(numbers.iter().copied()));
        assert_even(counts(numbers.windows(2).map(|pair| (pair[0] - pair[1]).rem_euclid(1.0))));
    }

    #[test]
    fn neighbouring_seeds_give_numbers_that_are_not() {
        let first = |seed| CallRandom::new(seed).unit();
        assert_even(counts((0..100_000).map(first)));
        assert_even(counts((0..100_000).map(|seed| (first(seed + 1) - first(seed)).rem_euclid(1.0))));
    }

    #[test]
    fn reaches_everything_below_the_end() {
        let mut random = CallRandom::new(1);
        let mut seen = [false; 52];
        (0..1000).for_each(|_| seen[random.below(52)] = true);
        assert!(seen.iter().all(|seen| *seen));
    }

    #[test]
    fn the_largest_number_is_below_one() {
        let largest = (((MODULUS_1 - 1) << 21) | ((1 << 21) - 1)) as f64 / (MODULUS_1 << 21) as f64;
        assert!(largest < 1.0 && largest * 52.0 < 52.0);
    }

    #[test]
    fn a_seed_is_its_text() {
        let mut by_text = CallRandom::new(1);
        by_text.reseed(b"8675309");
        assert_eq!(CallRandom::new(8_675_309).unit(), by_text.unit());
    }
}
