//! `--https-redirect` and `--hsts`.

use std::time::Duration;

use super::ConfigError;
use super::settings::Values;
use super::values;
use crate::session;

/// A port without TLS that sends everybody to the one that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpsRedirect {
    /// Where it listens; 0 takes any free one.
    pub port: u16,
    /// Where it sends to, if that is not the port that the server listens on itself.
    pub to_port: Option<u16>,
    /// How long browsers are told to come by HTTPS alone.
    pub hsts: Duration,
}

impl HttpsRedirect {
    /// What sessions are told, given the port that speaks TLS.
    pub(crate) fn of_port(self, port: u16) -> session::HttpsRedirect {
        session::HttpsRedirect {
            to_port: self.to_port.unwrap_or(port),
            hsts: format!("max-age={}", self.hsts.as_secs()).into(),
        }
    }
}

/// `tls_port` is where the server listens otherwise.
pub(super) fn resolve(values: &Values, tls_port: u16) -> Result<Option<HttpsRedirect>, ConfigError> {
    let has_tls = !values.is_default("tls-cert");
    let parse = |text: &str| {
        let (port, to_port) = ports(text)?;
        if !has_tls {
            return Err("expected --tls-cert with it: without TLS there is no HTTPS to send to".to_owned());
        }
        if port == tls_port && port != 0 {
            return Err(format!("expected another port than --port {tls_port}, which speaks HTTPS"));
        }
        Ok((port, to_port))
    };
    let ports = values.parse_optional("https-redirect", parse)?;
    let hsts = values.parse("hsts", |text| {
        if ports.is_none() && !values.is_default("hsts") {
            return Err("expected --https-redirect with it".to_owned());
        }
        values::duration("0s", "3650d")(text)
    })?;
    Ok(ports.map(|(port, to_port)| HttpsRedirect { port, to_port, hsts }))
}

fn ports(text: &str) -> Result<(u16, Option<u16>), String> {
    let (port, to_port) = match text.split_once(':') {
        Some((port, to_port)) => (port, Some(values::number(1..=u16::MAX)(to_port)?)),
        None => (text, None),
    };
    Ok((values::number(0..=u16::MAX)(port)?, to_port))
}
