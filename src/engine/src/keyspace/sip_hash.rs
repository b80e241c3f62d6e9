//! SipHash-1-3 of one byte string: players choose ids and field names, so the tables need a keyed hash.

/// Hashes `bytes` under `seed`, from which both halves of SipHash's key are drawn.
pub fn sip_hash(seed: u64, bytes: &[u8]) -> u64 {
    let mut state = State::new(seed, seed.rotate_left(32) ^ 0x9e37_79b9_7f4a_7c15);
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        state.absorb(u64::from_le_bytes(word.try_into().expect("chunks are 8 bytes long")));
    }
    state.absorb(last_word(words.remainder(), bytes.len()));
    state.finish()
}

fn last_word(rest: &[u8], len: usize) -> u64 {
    let mut word = [0; 8];
    word[..rest.len()].copy_from_slice(rest);
    u64::from_le_bytes(word) | (len as u64) << 56
}

struct State {
    v0: u64,
    v1: u64,
    v2: u64,
    v3: u64,
}

impl State {
    fn new(k0: u64, k1: u64) -> Self {
        Self {
            v0: k0 ^ 0x736f_6d65_7073_6575,
            v1: k1 ^ 0x646f_7261_6e64_6f6d,
            v2: k0 ^ 0x6c79_6765_6e65_7261,
            v3: k1 ^ 0x7465_6462_7974_6573,
        }
    }

    fn absorb(&mut self, word: u64) {
        self.v3 ^= word;
        self.round();
        self.v0 ^= word;
    }

    fn finish(mut self) -> u64 {
        self.v2 ^= 0xff;
        self.round();
        self.round();
        self.round();
        self.v0 ^ self.v1 ^ self.v2 ^ self.v3
    }

    fn round(&mut self) {
        self.v0 = self.v0.wrapping_add(self.v1);
        self.v1 = self.v1.rotate_left(13) ^ self.v0;
        self.v0 = self.v0.rotate_left(32);
        self.v2 = self.v2.wrapping_add(self.v3);
        self.v3 = self.v3.rotate_left(16) ^ self.v2;
        self.v0 = self.v0.wrapping_add(self.v3);
        self.v3 = self.v3.rotate_left(21) ^ self.v0;
        self.v2 = self.v2.wrapping_add(self.v1);
        self.v1 = self.v1.rotate_left(17) ^ self.v2;
        self.v2 = self.v2.rotate_left(32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::Hasher;

    #[test]
    fn agrees_with_the_standard_library() {
        // The standard library's default hasher is SipHash-1-3 with a key of zeros.
        for len in 0..100_u8 {
            let bytes: Vec<u8> = (0..len).collect();
            let mut expected = std::collections::hash_map::DefaultHasher::new();
            expected.write(&bytes);
            let mut state = State::new(0, 0);
            let mut words = bytes.chunks_exact(8);
            for word in &mut words {
                state.absorb(u64::from_le_bytes(word.try_into().unwrap()));
            }
            state.absorb(last_word(words.remainder(), bytes.len()));
            assert_eq!(state.finish(), expected.finish(), "{len}");
        }
    }

    #[test]
    fn depends_on_the_seed() {
        assert_ne!(sip_hash(1, b"guest"), sip_hash(2, b"guest"));
        assert_ne!(sip_hash(1, b"a"), sip_hash(1, b"a\0"));
    }
}
