//! Whole numbers of any length, for arithmetic that must be exact. Made for a few hundred digits, not for speed.

/// A whole number of any length: 32-bit words, lowest first, the highest not 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Natural(Vec<u32>);

impl From<u128> for Natural {
    fn from(value: u128) -> Self {
        Self((0..4).map(|i| (value >> (32 * i)) as u32).collect()).trimmed()
    }
}

impl Natural {
    /// The number with these digits, highest first.
    pub(super) fn from_digits(digits: &[u8], base: u32) -> Self {
        let mut number = Self(Vec::new());
        for digit in digits {
            number.multiply_and_add(base, u32::from(*digit));
        }
        number
    }

    /// `10^exponent`
    pub(super) fn power_of_ten(exponent: u32) -> Self {
        let mut number = Self::from(1);
        for _ in 0..exponent / 9 {
            number.multiply_and_add(1_000_000_000, 0);
        }
        for _ in 0..exponent % 9 {
            number.multiply_and_add(10, 0);
        }
        number
    }

    fn multiply_and_add(&mut self, factor: u32, summand: u32) {
        let mut carry = u64::from(summand);
        for word in &mut self.0 {
            let product = u64::from(*word) * u64::from(factor) + carry;
            *word = product as u32;
            carry = product >> 32;
        }
        if carry != 0 {
            self.0.push(carry as u32);
        }
    }

    pub(super) fn times(&self, other: &Self) -> Self {
        let mut words = vec![0_u32; self.0.len() + other.0.len()];
        for (i, a) in self.0.iter().enumerate() {
            let mut carry = 0_u64;
            for (j, b) in other.0.iter().enumerate() {
                let sum = u64::from(*a) * u64::from(*b) + u64::from(words[i + j]) + carry;
                words[i + j] = sum as u32;
                carry = sum >> 32;
            }
            words[i + other.0.len()] = carry as u32;
        }
        Self(words).trimmed()
    }

    pub(super) fn plus(&self, other: &Self) -> Self {
        let mut words = Vec::with_capacity(self.0.len().max(other.0.len()) + 1);
        let mut carry = 0;
        for i in 0..self.0.len().max(other.0.len()) {
            let sum = u64::from(self.word(i)) + u64::from(other.word(i)) + carry;
            words.push(sum as u32);
            carry = sum >> 32;
        }
        words.push(carry as u32);
        Self(words).trimmed()
    }

    /// The difference; `other` must not be larger.
    pub(super) fn minus(&self, other: &Self) -> Self {
        let mut words = Vec::with_capacity(self.0.len());
        let mut borrow = 0;
        for i in 0..self.0.len() {
            let difference = i64::from(self.word(i)) - i64::from(other.word(i)) - borrow;
            words.push(difference as u32);
            borrow = i64::from(difference < 0);
        }
        Self(words).trimmed()
    }

    /// The quotient, and whether anything is left over.
    pub(super) fn divided_by(&self, divisor: &Self) -> (Self, bool) {
        if self.0.len() <= 4 && divisor.0.len() <= 4 {
            let (a, b) = (self.low_u128(), divisor.low_u128());
            return (Self::from(a / b), a % b != 0);
        }
        let steps = (self.bit_len() + 1).saturating_sub(divisor.bit_len());
        let mut rest = self.clone();
        let mut quotient = Self(vec![0; steps / 32 + 1]);
        for step in (0..steps).rev() {
            let multiple = divisor.shifted_left(step);
            if !rest.is_less_than(&multiple) {
                rest = rest.minus(&multiple);
                quotient.0[step / 32] |= 1 << (step % 32);
            }
        }
        (quotient.trimmed(), !rest.is_zero())
    }

    /// The number times `2^bits`.
    pub(super) fn shifted_left(&self, bits: usize) -> Self {
        let mut words = vec![0; bits / 32];
        let shift = bits % 32;
        let mut carry = 0;
        for word in &self.0 {
            let wide = u64::from(*word) << shift | carry;
            words.push(wide as u32);
            carry = wide >> 32;
        }
        words.push(carry as u32);
        Self(words).trimmed()
    }

    /// The number divided by `2^bits`, without the rest.
    pub(super) fn shifted_right(&self, bits: usize) -> Self {
        let shift = bits % 32;
        let words = (bits / 32..self.0.len()).map(|i| {
            let wide = u64::from(self.word(i + 1)) << 32 | u64::from(self.word(i));
            (wide >> shift) as u32
        });
        Self(words.collect()).trimmed()
    }

    /// Whether this number is the smaller one.
    pub(super) fn is_less_than(&self, other: &Self) -> bool {
        let by_len = self.0.len().cmp(&other.0.len());
        by_len.then_with(|| self.0.iter().rev().cmp(other.0.iter().rev())).is_lt()
    }

    /// Whether the number is 0.
    pub(super) fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    /// Bits up to the highest one that is set.
    pub(super) fn bit_len(&self) -> usize {
        self.0.last().map_or(0, |top| self.0.len() * 32 - top.leading_zeros() as usize)
    }

    /// Whether a bit is set, counted from the lowest.
    pub(super) fn bit(&self, at: usize) -> bool {
        self.word(at / 32) >> (at % 32) & 1 == 1
    }

    /// Whether any bit below `end` is set.
    pub(super) fn has_bits_below(&self, end: usize) -> bool {
        self.0.iter().take(end / 32).any(|word| *word != 0)
            || self.word(end / 32) & ((1 << (end % 32)) - 1) != 0
    }

    fn word(&self, at: usize) -> u32 {
        self.0.get(at).copied().unwrap_or(0)
    }

    /// The lowest 128 bits.
    pub(super) fn low_u128(&self) -> u128 {
        (0..4).rev().fold(0, |value, i| value << 32 | u128::from(self.word(i)))
    }

    /// In decimal.
    pub(super) fn to_text(&self) -> String {
        let mut words = self.0.clone();
        let mut groups = Vec::new();
        while !words.is_empty() {
            let mut rest = 0_u64;
            for word in words.iter_mut().rev() {
                let wide = rest << 32 | u64::from(*word);
                *word = (wide / 1_000_000_000) as u32;
                rest = wide % 1_000_000_000;
            }
            groups.push(rest);
            while words.last() == Some(&0) {
                words.pop();
            }
        }
        let Some(first) = groups.pop() else { return "0".to_owned() };
        groups.iter().rev().fold(first.to_string(), |text, group| text + &format!("{group:09}"))
    }

    fn trimmed(mut self) -> Self {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SplitMix;

    #[test]
    fn agrees_with_native_numbers() {
        let mut random = SplitMix(5);
        for _ in 0..20_000 {
            let [a, b] = [0, 0].map(|_: u8| u128::from(random.next_u64()) >> random.below(64));
            let (x, y) = (Natural::from(a), Natural::from(b));
            assert_eq!(x.plus(&y), Natural::from(a + b));
            assert_eq!(x.times(&y), Natural::from(a * b));
            assert_eq!(x.is_less_than(&y), a < b);
            let (less, more) = if a < b { (&x, &y) } else { (&y, &x) };
            assert_eq!(more.minus(less), Natural::from(a.abs_diff(b)));
            let shift = random.below(64);
            assert_eq!(x.shifted_left(shift), Natural::from(a << shift));
            assert_eq!(x.shifted_right(shift), Natural::from(a >> shift));
            assert_eq!(x.bit_len(), 128 - a.leading_zeros() as usize);
            assert_eq!(x.has_bits_below(shift), a & ((1 << shift) - 1) != 0);
            assert_eq!(x.to_text(), a.to_string());
        }
    }

    #[test]
    fn long_division_is_multiplication_undone() {
        let mut random = SplitMix(6);
        for _ in 0..300 {
            let mut digits = |len: usize| (0..len).map(|_| random.below(10) as u8).collect::<Vec<_>>();
            let (quotient, divisor) = (digits(40), [vec![1], digits(30)].concat());
            let (quotient, divisor) =
                (Natural::from_digits(&quotient, 10), Natural::from_digits(&divisor, 10));
            let product = quotient.times(&divisor);
            assert_eq!(product.divided_by(&divisor), (quotient.clone(), false));
            assert_eq!(product.plus(&Natural::from(1)).divided_by(&divisor), (quotient, true));
        }
    }

    #[test]
    fn powers_and_digits() {
        assert_eq!(Natural::power_of_ten(40).to_text(), format!("1{}", "0".repeat(40)));
        assert_eq!(Natural::from_digits(&[15, 15, 0], 16).to_text(), "4080");
        assert_eq!(Natural::from_digits(&[], 10).to_text(), "0");
    }
}
