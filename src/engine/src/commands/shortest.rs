//! A float's shortest digits, as the stores of today write them.
//!
//! The digits are those of Grisu2 (Florian Loitsch, "Printing Floating-Point Numbers Quickly and Accurately with Integers", 2010):
//! they always read back as the same float, but once in a thousand times there are more of them than need be, or others than the
//! nearest. As the stores use it, nothing else gives their digits.

/// The digits of a positive, finite float, and the power of ten that the last of them is multiplied with.
#[derive(Debug)]
pub(super) struct Digits {
    digits: [u8; MAX_DIGITS],
    len: usize,
    pub(super) exponent: i32,
}

const MAX_DIGITS: usize = 20;

impl Digits {
    /// The shortest digits of a positive, finite float.
    pub(super) fn of(value: f64) -> Self {
        let exact = Scaled::of(value);
        let (lower, upper) = exact.boundaries();
        let (power, decimal_exponent) = cached_power(upper.exponent);
        let exact = exact.normalized().times(power);
        let upper = upper.times(power);
        let mut lower = lower.times(power);
        // A product may be off by one unit: the digits stay inside the narrower bounds.
        lower.mantissa += 1;
        let upper = Scaled { mantissa: upper.mantissa - 1, ..upper };
        let mut digits = Self { digits: [0; MAX_DIGITS], len: 0, exponent: -decimal_exponent };
        digits.generate(upper, upper.mantissa - exact.mantissa, upper.mantissa - lower.mantissa);
        digits
    }

    /// As ASCII.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.digits[..self.len]
    }

    /// Takes digits of `upper` until what is left is within `width`, and then steps down towards the exact number, which is
    /// `distance` below.
    fn generate(&mut self, upper: Scaled, distance: u64, width: u64) {
        let shift = -upper.exponent as u32;
        let one = 1_u64 << shift;
        let mut whole = upper.mantissa >> shift;
        let mut fraction = upper.mantissa & (one - 1);
        for power in (0..10).rev() {
            let unit = 10_u64.pow(power);
            self.push((whole / unit) as u8);
            whole %= unit;
            let rest = (whole << shift) + fraction;
            if rest <= width {
                self.exponent += power as i32;
                return self.approach(width, rest, unit << shift, distance);
            }
        }
        let (mut distance, mut width) = (distance, width);
        loop {
            fraction *= 10;
            width *= 10;
            distance = distance.wrapping_mul(10);
            self.exponent -= 1;
            self.push((fraction >> shift) as u8);
            fraction &= one - 1;
            if fraction < width {
                return self.approach(width, fraction, one, distance);
            }
        }
    }

    /// Adds a digit; zeros do not lead.
    fn push(&mut self, digit: u8) {
        if digit != 0 || self.len > 0 {
            self.digits[self.len] = b'0' + digit;
            self.len += 1;
        }
    }

    /// Makes the last digit smaller as long as that comes closer to the exact number.
    fn approach(&mut self, width: u64, mut rest: u64, unit: u64, distance: u64) {
        while rest < distance
            && width - rest >= unit
            && (rest + unit < distance || distance - rest > rest + unit - distance)
        {
            self.digits[self.len - 1] -= 1;
            rest += unit;
        }
    }
}

/// `mantissa × 2^exponent`
#[derive(Clone, Copy)]
struct Scaled {
    mantissa: u64,
    exponent: i32,
}

const FRACTION_BITS: u32 = f64::MANTISSA_DIGITS - 1;
const HIDDEN_BIT: u64 = 1 << FRACTION_BITS;

impl Scaled {
    fn of(value: f64) -> Self {
        let bits = value.to_bits();
        let fraction = bits & (HIDDEN_BIT - 1);
        let biased = (bits >> FRACTION_BITS) as i32;
        let lowest = f64::MIN_EXP - f64::MANTISSA_DIGITS as i32;
        if biased == 0 {
            Self { mantissa: fraction, exponent: lowest }
        } else {
            Self { mantissa: fraction | HIDDEN_BIT, exponent: biased - 1 + lowest }
        }
    }

    fn normalized(self) -> Self {
        let shift = self.mantissa.leading_zeros();
        Self { mantissa: self.mantissa << shift, exponent: self.exponent - shift as i32 }
    }

    /// Half way to the floats below and above, with the same exponent.
    fn boundaries(self) -> (Self, Self) {
        let upper = Self { mantissa: (self.mantissa << 1) + 1, exponent: self.exponent - 1 }.normalized();
        // Below a power of two, floats are twice as dense.
        let bits = if self.mantissa == HIDDEN_BIT { 2 } else { 1 };
        let (mantissa, exponent) = ((self.mantissa << bits) - 1, self.exponent - bits);
        let lower = Self { mantissa: mantissa << (exponent - upper.exponent), exponent: upper.exponent };
        (lower, upper)
    }

    /// The product's upper 64 bits, rounded.
    fn times(self, other: Self) -> Self {
        let product = u128::from(self.mantissa) * u128::from(other.mantissa) + (1 << 63);
        Self { mantissa: (product >> 64) as u64, exponent: self.exponent + other.exponent + 64 }
    }
}

/// The power of ten that brings a number with this exponent to one between -60 and -32; and the power's exponent.
fn cached_power(exponent: i32) -> (Scaled, i32) {
    let power_at = |index: usize| {
        let decimal = FIRST_POWER + POWER_STEP * index as i32;
        (Scaled { mantissa: POWERS[index], exponent: floor_log2_of_power(decimal) - 63 }, decimal)
    };
    let guess = -f64::from(exponent + POWERS.len() as i32) * std::f64::consts::LOG10_2;
    let mut index = ((guess as i32 - FIRST_POWER) / POWER_STEP) as usize;
    loop {
        let (power, decimal) = power_at(index);
        match exponent + power.exponent + 64 {
            ..-60 => index += 1,
            -60..=-32 => return (power, decimal),
            _ => index -= 1,
        }
    }
}

/// The exponent of two of the largest power of two that is not above `10^decimal`.
fn floor_log2_of_power(decimal: i32) -> i32 {
    (decimal * 1_741_647) >> 19
}

const FIRST_POWER: i32 = -348;
const POWER_STEP: i32 = 8;

/// The leading 64 bits of every eighth power of ten, rounded.
#[rustfmt::skip]
static POWERS: [u64; 87] = [
    0xfa8f_d5a0_081c_0288, 0xbaae_e17f_a23e_bf76, 0x8b16_fb20_3055_ac76, 0xcf42_894a_5dce_35ea,
    0x9a6b_b0aa_5565_3b2d, 0xe61a_cf03_3d1a_45df, 0xab70_fe17_c79a_c6ca, 0xff77_b1fc_bebc_dc4f,
    0xbe56_91ef_416b_d60c, 0x8dd0_1fad_907f_fc3c, 0xd351_5c28_3155_9a83, 0x9d71_ac8f_ada6_c9b5,
    0xea9c_2277_23ee_8bcb, 0xaecc_4991_4078_536d, 0x823c_1279_5db6_ce57, 0xc210_9436_4dfb_5637,
    0x9096_ea6f_3848_984f, 0xd774_85cb_2582_3ac7, 0xa086_cfcd_97bf_97f4, 0xef34_0a98_172a_ace5,
    0xb238_67fb_2a35_b28e, 0x84c8_d4df_d2c6_3f3b, 0xc5dd_4427_1ad3_cdba, 0x936b_9fce_bb25_c996,
    0xdbac_6c24_7d62_a584, 0xa3ab_6658_0d5f_daf6, 0xf3e2_f893_dec3_f126, 0xb5b5_ada8_aaff_80b8,
    0x8762_5f05_6c7c_4a8b, 0xc9bc_ff60_34c1_3053, 0x964e_858c_91ba_2655, 0xdff9_7724_7029_7ebd,
    0xa6df_bd9f_b8e5_b88f, 0xf8a9_5fcf_8874_7d94, 0xb944_7093_8fa8_9bcf, 0x8a08_f0f8_bf0f_156b,
    0xcdb0_2555_6531_31b6, 0x993f_e2c6_d07b_7fac, 0xe45c_10c4_2a2b_3b06, 0xaa24_2499_6973_92d3,
    0xfd87_b5f2_8300_ca0e, 0xbce5_0864_9211_1aeb, 0x8cbc_cc09_6f50_88cc, 0xd1b7_1758_e219_652c,
    0x9c40_0000_0000_0000, 0xe8d4_a510_0000_0000, 0xad78_ebc5_ac62_0000, 0x813f_3978_f894_0984,
    0xc097_ce7b_c907_15b3, 0x8f7e_32ce_7bea_5c70, 0xd5d2_38a4_abe9_8068, 0x9f4f_2726_179a_2245,
    0xed63_a231_d4c4_fb27, 0xb0de_6538_8cc8_ada8, 0x83c7_088e_1aab_65db, 0xc45d_1df9_4271_1d9a,
    0x924d_692c_a61b_e758, 0xda01_ee64_1a70_8dea, 0xa26d_a399_9aef_774a, 0xf209_787b_b47d_6b85,
    0xb454_e4a1_79dd_1877, 0x865b_8692_5b9b_c5c2, 0xc835_53c5_c896_5d3d, 0x952a_b45c_fa97_a0b3,
    0xde46_9fbd_99a0_5fe3, 0xa59b_c234_db39_8c25, 0xf6c6_9a72_a398_9f5c, 0xb7dc_bf53_54e9_bece,
    0x88fc_f317_f222_41e2, 0xcc20_ce9b_d35c_78a5, 0x9816_5af3_7b21_53df, 0xe2a0_b5dc_971f_303a,
    0xa8d9_d153_5ce3_b396, 0xfb9b_7cd9_a4a7_443c, 0xbb76_4c4c_a7a4_4410, 0x8bab_8eef_b640_9c1a,
    0xd01f_ef10_a657_842c, 0x9b10_a4e5_e991_3129, 0xe710_9bfb_a19c_0c9d, 0xac28_20d9_623b_f429,
    0x8044_4b5e_7aa7_cf85, 0xbf21_e440_03ac_dd2d, 0x8e67_9c2f_5e44_ff8f, 0xd433_179d_9c8c_b841,
    0x9e19_db92_b4e3_1ba9, 0xeb96_bf6e_badf_77d9, 0xaf87_023b_9bf0_ee6b,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SplitMix;
    use crate::commands::natural::Natural;

    fn digits(value: f64) -> (String, i32) {
        let digits = Digits::of(value);
        (String::from_utf8(digits.as_bytes().to_vec()).unwrap(), digits.exponent)
    }

    #[test]
    fn known_digits() {
        let check = |value: f64, text: &str, exponent: i32| {
            assert_eq!(digits(value), (text.to_owned(), exponent), "{value}");
        };
        check(0.1, "1", -1);
        check(1.5, "15", -1);
        check(1.0 / 3.0, "3333333333333333", -16);
        check(5e-324, "5", -324);
        check(f64::MAX, "17976931348623157", 292);
        check(f64::MIN_POSITIVE, "22250738585072014", -324);
        // More digits than need be, and one that is not the nearest: so do the stores.
        check(1e23, "9999999999999999", 7);
        check(868.299828062524, "8682998280625241", -13);
        check(804109817472236.8, "8041098174722367", -1);
    }

    #[test]
    fn digits_read_back_as_the_same_float() {
        let mut random = SplitMix(7);
        for _ in 0..200_000 {
            let value = f64::from_bits(random.next_u64() >> 1);
            if value.is_finite() && value != 0.0 {
                let (text, exponent) = digits(value);
                assert_eq!(format!("{text}e{exponent}").parse::<f64>().unwrap(), value);
                assert!(text.len() <= 17, "{text}");
            }
        }
    }

    #[test]
    fn powers_are_the_nearest() {
        for (index, mantissa) in POWERS.iter().enumerate() {
            let decimal = FIRST_POWER + POWER_STEP * index as i32;
            let power = Natural::power_of_ten(decimal.unsigned_abs());
            // Twice as many bits as the mantissa has, below a one: enough to tell which is nearest.
            let scaled = if decimal >= 0 {
                power.shifted_left(200)
            } else {
                Natural::from(1).shifted_left(power.bit_len() + 200).divided_by(&power).0
            };
            let excess = scaled.bit_len() - 65;
            let rounded = (scaled.shifted_right(excess).low_u128() + 1) >> 1;
            assert_eq!(u128::from(*mantissa), rounded, "10^{decimal}");
        }
    }
}
