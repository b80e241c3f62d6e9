//! Parsers of single values. Their errors say what is allowed.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

/// A whole number in a range.
pub(super) fn number<T>(range: RangeInclusive<T>) -> impl FnOnce(&str) -> Result<T, String>
where
    T: FromStr + PartialOrd + fmt::Display,
{
    move |text| {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
        let value = text.parse().ok().filter(|value| is_plain && range.contains(value));
        value.ok_or_else(|| format!("expected a whole number from {} to {}", range.start(), range.end()))
    }
}

/// A number of milliseconds, or a duration with its unit.
pub(super) fn milliseconds(range: RangeInclusive<u64>) -> impl FnOnce(&str) -> Result<Duration, String> {
    move |text| {
        let value_ms = match text.parse::<u64>() {
            Ok(value_ms) => Some(value_ms),
            Err(_) => split_duration(text),
        };
        let value_ms = value_ms.filter(|value_ms| range.contains(value_ms));
        value_ms
            .map(Duration::from_millis)
            .ok_or_else(|| format!("expected milliseconds from {} to {}", range.start(), range.end()))
    }
}

/// A duration such as `50ms`, `90s`, `15m`, `24h` or `7d`, in a range given as two such texts.
pub(super) fn duration(
    from: &'static str,
    to: &'static str,
) -> impl FnOnce(&str) -> Result<Duration, String> {
    move |text| {
        let in_range = |value_ms: &u64| {
            split_duration(from).is_some_and(|from_ms| from_ms <= *value_ms)
                && split_duration(to).is_some_and(|to_ms| *value_ms <= to_ms)
        };
        split_duration(text)
            .filter(in_range)
            .map(Duration::from_millis)
            .ok_or_else(|| format!("expected a time from {from} to {to} with its unit (ms, s, m, h, d)"))
    }
}

fn split_duration(text: &str) -> Option<u64> {
    let (count, unit) = split_unit(text)?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        "d" => 24 * 60 * 60 * 1000,
        _ => return None,
    };
    count.checked_mul(unit_ms)
}

/// A number of bytes, or of `k`, `m` or `g` (1024 each), in a range given as two such texts.
pub(super) fn size(from: &'static str, to: &'static str) -> impl FnOnce(&str) -> Result<usize, String> {
    move |text| {
        let in_range = |bytes: &usize| {
            split_size(from).is_some_and(|from| from <= *bytes)
                && split_size(to).is_some_and(|to| *bytes <= to)
        };
        split_size(text)
            .filter(in_range)
            .ok_or_else(|| format!("expected a size from {from} to {to} (bytes, or with k, m or g)"))
    }
}

fn split_size(text: &str) -> Option<usize> {
    let (count, unit) = split_unit(text)?;
    let unit_bytes = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1024,
        "m" | "mb" | "mib" => 1024 * 1024,
        "g" | "gb" | "gib" => 1024 * 1024 * 1024,
        _ => return None,
    };
    usize::try_from(count).ok()?.checked_mul(unit_bytes)
}

fn split_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (count, unit) = text.split_at(end);
    Some((count.parse().ok()?, unit))
}

/// `on` or `off`, or what else people write for them.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" => Ok(true),
        "off" | "false" | "no" | "0" => Ok(false),
        _ => Err("expected on or off".to_owned()),
    }
}

/// An address to listen on, or a name that leads to one: to the first of IPv4, if it has one.
pub(super) fn host(text: &str) -> Result<IpAddr, String> {
    let in_brackets = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match in_brackets.unwrap_or(text) {
        "localhost" => Ok(Ipv4Addr::LOCALHOST.into()),
        address => address.parse().or_else(|_| resolve(address)),
    }
}

/// As [`host`], with the port behind it.
pub(super) fn host_and_port(text: &str) -> Result<SocketAddr, String> {
    let expected = "expected HOST:PORT, such as 127.0.0.1:9100 or [::1]:9100";
    let (name, port) = text.rsplit_once(':').ok_or(expected)?;
    let is_bare_six = name.contains(':') && !name.starts_with('[');
    if name.is_empty() || is_bare_six || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(expected.to_owned());
    }
    let port = port.parse().map_err(|_| expected)?;
    host(name).map(|address| SocketAddr::new(address, port)).map_err(|_| expected.to_owned())
}

fn resolve(name: &str) -> Result<IpAddr, String> {
    let found =
        (name, 0).to_socket_addrs().map(|found| found.map(|address| address.ip()).collect::<Vec<_>>());
    let found = found.unwrap_or_default();
    let first = found.iter().find(|address| address.is_ipv4()).or(found.first()).copied();
    first.ok_or_else(|| {
        "expected an IPv4 or IPv6 address, such as 127.0.0.1 or ::, or a name that leads to one".to_owned()
    })
}
