//! Masking (RFC 6455 section 5.3).

/// XORs `bytes` with the masking key, of which `phase` bytes were used before.
pub(super) fn apply_mask(bytes: &mut [u8], mut key: [u8; 4], phase: usize) {
    key.rotate_left(phase % 4);
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut words = bytes.chunks_exact_mut(8);
    for word in &mut words {
        let masked = u64::from_ne_bytes(word.try_into().expect("chunks of eight")) ^ wide;
        word.copy_from_slice(&masked.to_ne_bytes());
    }
    for (byte, key_byte) in words.into_remainder().iter_mut().zip(key.iter().cycle()) {
        *byte ^= key_byte;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_definition() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        for len in 0..36_u8 {
            for phase in 0..9 {
                let plain: Vec<u8> = (0..len).map(|i| i * 7).collect();
                let expected: Vec<u8> =
                    plain.iter().enumerate().map(|(i, byte)| byte ^ key[(i + phase) % 4]).collect();
                let mut masked = plain.clone();
                apply_mask(&mut masked, key, phase);
                assert_eq!(masked, expected, "{len} bytes from {phase}");
            }
        }
    }
}
