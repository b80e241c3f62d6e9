//! Ways to cut an input into pieces, for tests that a decoder's findings do not depend on how bytes arrive.

/// Longest input that is tried cut at every byte; longer ones are cut at a sample of places.
#[cfg(test)]
const MAX_EXHAUSTIVE: usize = 1500;
/// No power of two, so that the sample meets all alignments.
#[cfg(test)]
const SAMPLE_STEP: usize = 997;

/// The input whole, byte by byte, and in two pieces cut at each byte.
#[cfg(test)]
pub(crate) fn cuttings(input: &[u8]) -> Vec<Vec<&[u8]>> {
    let step = if input.len() <= MAX_EXHAUSTIVE { 1 } else { SAMPLE_STEP };
    let mut cuttings = vec![vec![input], input.chunks(1).collect()];
    cuttings.extend((1..input.len()).step_by(step).map(|at| {
        let (first, second) = input.split_at(at);
        vec![first, second]
    }));
    cuttings
}

/// The input in pieces of these lengths, over and over.
pub(crate) fn cut<'a>(mut input: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for &len in lengths.iter().cycle() {
        if input.is_empty() {
            break;
        }
        let (piece, rest) = input.split_at(len.clamp(1, input.len()));
        pieces.push(piece);
        input = rest;
    }
    pieces
}
