//! `--db-type` and `--db-dsn`.

use super::ConfigError;
use super::settings::Values;
use crate::account::store::Dsn;

#[derive(Clone, Copy)]
enum Kind {
    Sqlite,
    Postgres,
}

pub(super) fn resolve(values: &Values, warnings: &mut Vec<String>) -> Result<Dsn, ConfigError> {
    let dsn = match values.parse("db-type", kind)? {
        Kind::Sqlite => values.parse("db-dsn", Dsn::sqlite)?,
        Kind::Postgres if values.is_default("db-dsn") => return Err(missing()),
        Kind::Postgres => values.parse("db-dsn", Dsn::postgres)?,
    };
    if dsn.may_be_plain() {
        let advice = "what is sent to PostgreSQL may go unencrypted; sslmode=require or verify-full in --db-dsn forbids that";
        warnings.push(advice.to_owned());
    }
    Ok(dsn)
}

fn missing() -> ConfigError {
    ConfigError(
        "--db-dsn is missing, which --db-type postgres needs: host=… user=… password=… dbname=…, or \
         postgres://user:password@host:port/dbname"
            .to_owned(),
    )
}

fn kind(text: &str) -> Result<Kind, String> {
    match text {
        "sqlite" => Ok(Kind::Sqlite),
        "postgres" | "postgresql" => Ok(Kind::Postgres),
        _ => Err("allowed are sqlite and postgres".to_owned()),
    }
}
