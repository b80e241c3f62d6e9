//! What a client offers, and what is agreed on (RFC 7692, sections 5 and 7.1).

use super::{DeflateWindow, EXTENSION};

/// What a client and the server have agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// The client's, as large as the offer allows.
    pub window: DeflateWindow,
    /// Whether the offer has a bound for it, which the answer repeats.
    names_window: bool,
}

/// What has been read of an offer.
#[derive(Default)]
struct Offer {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_window: Option<DeflateWindow>,
    has_client_window: bool,
}

impl Agreement {
    /// To the first of the extensions on offer that is agreed to; none if there is none. An offer with a parameter that is
    /// unknown, wrong or there twice is passed over, as are other extensions.
    pub fn find<'a>(mut offers: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        offers.find_map(|offer| parse(std::str::from_utf8(offer).ok()?))
    }

    /// Appends the value of `Sec-WebSocket-Extensions` in the answer.
    ///
    /// A client may always be told to go without context, whether or not it offered that (section 7.1.1.2). Its own bound
    /// on what it sends does not matter, as there is the largest window to decompress with.
    pub(in crate::wire::ws) fn put_answer(self, out: &mut Vec<u8>) {
        out.extend_from_slice(EXTENSION.as_bytes());
        out.extend_from_slice(b"; server_no_context_takeover; client_no_context_takeover");
        if self.names_window {
            out.extend_from_slice(format!("; server_max_window_bits={}", self.window.bits()).as_bytes());
        }
    }
}

fn parse(offer: &str) -> Option<Agreement> {
    let mut parts = offer.split(';').map(str::trim);
    if parts.next() != Some(EXTENSION) {
        return None;
    }
    let mut offer = Offer::default();
    for part in parts {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name.trim_end(), Some(unquote(value.trim_start())?)),
            None => (part, None),
        };
        offer.take(name, value)?;
    }
    let window = offer.server_window.unwrap_or(DeflateWindow::LARGEST);
    Some(Agreement { window, names_window: offer.server_window.is_some() })
}

impl Offer {
    /// Notes a parameter; nothing if it is not right.
    fn take(&mut self, name: &str, value: Option<&str>) -> Option<()> {
        let is_first = match (name, value) {
            ("server_no_context_takeover", None) => {
                !std::mem::replace(&mut self.server_no_context_takeover, true)
            }
            ("client_no_context_takeover", None) => {
                !std::mem::replace(&mut self.client_no_context_takeover, true)
            }
            ("server_max_window_bits", Some(bits)) => self.server_window.replace(window(bits)?).is_none(),
            ("client_max_window_bits", bits) => {
                if let Some(bits) = bits {
                    window(bits)?;
                }
                !std::mem::replace(&mut self.has_client_window, true)
            }
            _ => return None,
        };
        is_first.then_some(())
    }
}

/// A decimal number without leading zeros, 8 to 15.
fn window(bits: &str) -> Option<DeflateWindow> {
    let is_plain = bits.bytes().all(|byte| byte.is_ascii_digit()) && !bits.starts_with('0');
    bits.parse().ok().filter(|_| is_plain).and_then(DeflateWindow::of_bits)
}

/// A value may stand in quotes (RFC 6455, section 9.1). None of those that are allowed has a character to be escaped.
fn unquote(value: &str) -> Option<&str> {
    match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"'),
        None => Some(value),
    }
}
