//! Responses.

use std::io::Write;

use serde::Serialize;

use super::status::reason;

/// The interim response that answers [`super::Decoded::Continue`].
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A response with its whole body. `Content-Length`, `Connection` and `Date` are added when it is encoded.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    /// The HTTP status, one of [`super::STATUSES`].
    pub status: u16,
    /// Names and values of all other headers.
    pub headers: &'a [(&'a str, &'a str)],
    /// Left out of 204 and 304, which have none.
    pub body: &'a [u8],
    /// Without it the response says `Connection: close`.
    pub keep_alive: bool,
    /// The request was `HEAD`: tell the body's length but not the body.
    pub head_only: bool,
    /// As [`http_date`] gives it.
    pub date: &'a str,
}

/// Appends a response's bytes.
pub fn encode_response(out: &mut Vec<u8>, response: &Response<'_>) {
    out.reserve(256 + response.body.len());
    let has_body = !matches!(response.status, 100..=199 | 204 | 304);
    append_fmt(out, format_args!("HTTP/1.1 {} {}\r\n", response.status, reason(response.status)));
    append_header(out, "Date", response.date);
    for (name, value) in response.headers {
        append_header(out, name, value);
    }
    if has_body {
        append_fmt(out, format_args!("Content-Length: {}\r\n", response.body.len()));
    }
    if !response.keep_alive {
        append_header(out, "Connection", "close");
    }
    out.extend_from_slice(b"\r\n");
    if has_body && !response.head_only {
        out.extend_from_slice(response.body);
    }
}

/// The JSON body of every error: `{"error":{"code":…,"message":…}}`.
pub fn error_body(code: &str, message: &str) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        error: Error<'a>,
    }
    #[derive(Serialize)]
    struct Error<'a> {
        code: &'a str,
        message: &'a str,
    }
    serde_json::to_vec(&Body { error: Error { code, message } }).expect("two strings are always JSON")
}

/// A time as HTTP writes it (IMF-fixdate, RFC 9110 section 5.6.7), such as `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn http_date(unix_seconds: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    /// The format has four digits for the year: 9999-12-31 23:59:59.
    const LAST: u64 = 253_402_300_799;
    let seconds = unix_seconds.min(LAST);
    let (days, second_of_day) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil_date(days);
    format!(
        "{}, {day:02} {} {year:04} {:02}:{:02}:{:02} GMT",
        DAYS[(days % 7) as usize],
        MONTHS[month as usize - 1],
        second_of_day / 3600,
        second_of_day / 60 % 60,
        second_of_day % 60,
    )
}

/// Year, month and day (from 1) of a day counted from 1970-01-01 in the Gregorian calendar. Years are taken to begin
/// in March, so that the leap day is a year's last and months follow a fixed pattern of lengths.
fn civil_date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

fn append_header(out: &mut Vec<u8>, name: &str, value: &str) {
    debug_assert!(
        !name.is_empty() && !name.contains(|c: char| !c.is_ascii_graphic() || c == ':'),
        "{name:?}"
    );
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    // A line end in a value would begin a header, or a response, of somebody else's choice.
    out.extend(value.bytes().map(|byte| if byte.is_ascii_control() { b' ' } else { byte }));
    out.extend_from_slice(b"\r\n");
}

fn append_fmt(out: &mut Vec<u8>, arguments: std::fmt::Arguments<'_>) {
    out.write_fmt(arguments).expect("writing to memory cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Response<'_> = Response {
        status: 200,
        headers: &[],
        body: b"body",
        keep_alive: true,
        head_only: false,
        date: "now",
    };

    fn check(response: &Response<'_>, expected: &str) {
        let mut out = b"before".to_vec();
        encode_response(&mut out, response);
        assert_eq!(String::from_utf8(out).unwrap(), format!("before{expected}"));
    }

    #[test]
    fn responses() {
        check(&PLAIN, "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 4\r\n\r\nbody");
        check(
            &Response { keep_alive: false, headers: &[("A", "b"), ("C", "d")], ..PLAIN },
            "HTTP/1.1 200 OK\r\nDate: now\r\nA: b\r\nC: d\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody",
        );
        check(
            &Response { head_only: true, ..PLAIN },
            "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 4\r\n\r\n",
        );
        check(&Response { body: b"", ..PLAIN }, "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 0\r\n\r\n");
        check(&Response { status: 204, ..PLAIN }, "HTTP/1.1 204 No Content\r\nDate: now\r\n\r\n");
        check(&Response { status: 304, ..PLAIN }, "HTTP/1.1 304 Not Modified\r\nDate: now\r\n\r\n");
        check(
            &Response { status: 299, ..PLAIN },
            "HTTP/1.1 299 \r\nDate: now\r\nContent-Length: 4\r\n\r\nbody",
        );
    }

    #[test]
    fn a_value_cannot_end_its_line() {
        let injected = Response { headers: &[("A", "b\r\nC: d\0")], ..PLAIN };
        check(&injected, "HTTP/1.1 200 OK\r\nDate: now\r\nA: b  C: d \r\nContent-Length: 4\r\n\r\nbody");
    }

    #[test]
    fn httparse_reads_every_status() {
        for status in 200..600 {
            let mut out = Vec::new();
            encode_response(&mut out, &Response { status, ..PLAIN });
            let mut headers = [httparse::EMPTY_HEADER; 4];
            let mut parsed = httparse::Response::new(&mut headers);
            let head_len = parsed.parse(&out).unwrap().unwrap();
            assert_eq!((parsed.code, parsed.version), (Some(status), Some(1)));
            let expected: &[u8] = if matches!(status, 204 | 304) { b"" } else { b"body" };
            assert_eq!(&out[head_len..], expected);
        }
    }

    #[test]
    fn dates() {
        let check = |seconds: u64, expected: &str| assert_eq!(http_date(seconds), expected);
        check(0, "Thu, 01 Jan 1970 00:00:00 GMT");
        check(784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT");
        check(951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT");
        check(951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT");
        check(951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT");
        check(1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT");
        check(4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT");
        check(253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT");
        check(u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    #[test]
    fn each_day_follows_the_one_before() {
        let mut previous = (1969, 12, 31);
        for day in 0..200_000 {
            let (year, month, day_of_month) = civil_date(day);
            let follows = match previous {
                (y, 12, 31) => (year, month, day_of_month) == (y + 1, 1, 1),
                (y, m, d) => {
                    (year, month, day_of_month) == (y, m, d + 1)
                        || (d >= 28 && (year, month, day_of_month) == (y, m + 1, 1))
                }
            };
            assert!(follows, "{previous:?} {:?}", (year, month, day_of_month));
            previous = (year, month, day_of_month);
        }
    }

    #[test]
    fn error_bodies_are_json() {
        let body: serde_json::Value = serde_json::from_slice(&error_body("a", "\"\n\u{7f}é")).unwrap();
        assert_eq!(body, serde_json::json!({"error": {"code": "a", "message": "\"\n\u{7f}é"}}));
    }
}
