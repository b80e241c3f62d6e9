//! The HTTP statuses that the server sends: a table with their reason phrases.
//!
//! To add one, add a line here; metrics count by it from then on. A test holds that those above 399 are the ones of
//! [`crate::wire::ErrorCode`].

/// Every status and its reason phrase (RFC 9110 section 15).
pub const STATUSES: &[(u16, &str)] = &[
    (101, "Switching Protocols"),
    (200, "OK"),
    (201, "Created"),
    (204, "No Content"),
    (304, "Not Modified"),
    (308, "Permanent Redirect"),
    (400, "Bad Request"),
    (401, "Unauthorized"),
    (403, "Forbidden"),
    (404, "Not Found"),
    (405, "Method Not Allowed"),
    (408, "Request Timeout"),
    (409, "Conflict"),
    (413, "Content Too Large"),
    (414, "URI Too Long"),
    (417, "Expectation Failed"),
    (426, "Upgrade Required"),
    (429, "Too Many Requests"),
    (431, "Request Header Fields Too Large"),
    (500, "Internal Server Error"),
    (503, "Service Unavailable"),
    (505, "HTTP Version Not Supported"),
];

/// A status's reason phrase, which may be empty (RFC 9112 section 4).
pub(super) fn reason(status: u16) -> &'static str {
    STATUSES.iter().find(|&&(known, _)| known == status).map_or("", |&(_, reason)| reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ErrorCode;

    #[test]
    fn errors_have_the_statuses_of_their_codes() {
        let mut of_codes: Vec<u16> =
            ErrorCode::ALL.iter().flat_map(|code| code.statuses()).copied().collect();
        of_codes.sort_unstable();
        of_codes.dedup();
        let of_errors: Vec<u16> =
            STATUSES.iter().map(|&(status, _)| status).filter(|&status| status >= 400).collect();
        assert_eq!(of_errors, of_codes);
    }
}
