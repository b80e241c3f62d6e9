//! Random text from the operating system's generator.

const BASE64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Random bytes that nobody can foretell.
pub(super) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system has a random generator");
    bytes
}

/// `N` random characters of the base64url alphabet, 6 random bits each.
pub(super) fn text<const N: usize>() -> String {
    bytes::<N>().map(|byte| char::from(BASE64URL[usize::from(byte % 64)])).iter().collect()
}
