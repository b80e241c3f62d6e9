//! How unfinished input is kept: memory grows with what has come, never with what was announced.

/// Appends `bytes`, growing by doubling but never above `final_len`, the most that the buffer will ever hold.
pub(super) fn append_bounded(buffer: &mut Vec<u8>, bytes: &[u8], final_len: usize) {
    let needed = buffer.len() + bytes.len();
    debug_assert!(needed <= final_len, "the caller checks the limit before it appends");
    if needed > buffer.capacity() {
        let capacity = needed.max((buffer.capacity() * 2).min(final_len));
        buffer.reserve_exact(capacity - buffer.len());
    }
    buffer.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacity_doubles_and_stops_at_the_final_length() {
        let mut buffer = Vec::new();
        let mut growths = 0;
        for _ in 0..10_000 {
            let before = buffer.capacity();
            append_bounded(&mut buffer, b"x", 10_000);
            growths += usize::from(buffer.capacity() != before);
            assert!(buffer.capacity() <= 10_000);
        }
        assert!(growths < 20, "{growths} reallocations");
    }
}
