//! `RUST_LOG`: what is logged. A slip in it would silence the log without a word, so it is refused.

use log::LevelFilter;

use super::ConfigError;

const LEVELS: &str = "off, error, warn, info, debug, trace";
/// Names from this similarity on, 0 to 1, are taken for slips of each other.
const SIMILAR: f64 = 0.75;

/// The modules that log, without `godra::`; a test compares them with the sources.
const MODULES: &[&str] = &[
    "account::erasure_log",
    "account::external::watch",
    "account::service::failure",
    "account::service::leaving",
    "account::service::linking",
    "account::service::managing",
    "account::service::notices",
    "account::service::renaming",
    "account::service::resets",
    "account::service::sessions",
    "account::service::upgrade",
    "cli",
    "document::doors",
    "document::service::connection",
    "document::service::lane",
    "logging",
    "mailbox",
    "pages",
    "pages::watch",
    "reactor::acceptor",
    "reactor::connections",
    "reactor::guests",
    "reactor::peers",
    "reactor::proxied",
    "reactor::readers",
    "reactor::secure",
    "reactor::shard",
    "reactor::upgrades",
    "room::flushing",
    "script::catalog",
    "script::folders",
    "script::watch",
    "server",
    "server::memory",
    "server::metrics_port",
    "server::readiness",
    "server::services",
    "server::stop",
    "session::proxy",
    "state::documents::gate",
    "state::embedded::checkpoint",
    "state::embedded::checkpoint::checkpointer",
    "state::embedded::checkpoint::writer",
    "state::embedded::engine",
    "state::embedded::runner",
    "state::embedded::worker",
    "state::embedded::worker::documents",
    "state::embedded::worker::messages",
    "state::faults",
    "state::full",
    "state::held",
    "state::prints",
    "state::redis",
    "state::redis::documents::desk",
    "state::redis::documents::durable",
    "state::redis::mail",
    "state::redis::reader",
    "state::redis::transport",
    "state::redis::upkeep",
    "state::redis::writer",
    "sys",
    "tls::reload",
];

/// Takes what the logger understands, and what shows something.
///
/// # Errors
/// Says what is wrong with it, and what would be right.
pub(super) fn parse(filter: &str) -> Result<String, ConfigError> {
    let refuse = |reason: String| Err(ConfigError(format!("RUST_LOG={filter:?}: {reason}")));
    if filter.contains('/') {
        let reason = "what is behind / would hide every line that does not have it, errors too; leave it out, and search the log for it";
        return refuse(reason.to_owned());
    }
    let (mut has_global_level, mut names_ours) = (false, false);
    for directive in filter.split(',').map(str::trim).filter(|directive| !directive.is_empty()) {
        let (target, level) = match directive.split_once('=') {
            Some((target, level)) => (target.trim(), Some(level.trim())),
            None => (directive, None),
        };
        let is_level = |text: &str| text.parse::<LevelFilter>().is_ok();
        // A word that is no level would be taken for the only module of which anything is logged.
        let is_good = match level {
            Some(level) => is_level(level) && is_module(target),
            None => is_level(target) || is_ours(target),
        };
        if !is_good {
            return refuse(format!("{directive:?} is neither a level ({LEVELS}) nor MODULE=LEVEL"));
        }
        if is_ours(target) && !logs(target) {
            return refuse(format!("{target} logs nothing{}", tip(target)));
        }
        has_global_level |= level.is_none() && is_level(target);
        names_ours |= is_ours(target);
    }
    if !has_global_level && !names_ours && !filter.trim().is_empty() {
        let filter = filter.trim();
        return refuse(format!(
            "it has no level for godra itself, of which nothing would be logged; put one in front: info,{filter}"
        ));
    }
    Ok(filter.to_owned())
}

fn is_module(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-'))
}

fn is_ours(target: &str) -> bool {
    target == "godra" || target.starts_with("godra:")
}

/// Whether it is one of our modules that log, or one around such.
fn logs(target: &str) -> bool {
    let Some(wanted) = target.strip_prefix("godra::") else { return target == "godra" };
    let is_in = |module: &&&str| {
        module.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    MODULES.iter().any(|module| is_in(&module))
}

/// The module that may have been meant.
fn tip(target: &str) -> String {
    let around = MODULES
        .iter()
        .flat_map(|module| module.match_indices("::").map(|(end, _)| &module[..end]).chain([*module]));
    let wanted = target.strip_prefix("godra::").unwrap_or(target);
    let similarity = |module: &&str| strsim::jaro_winkler(wanted, module);
    let closest = around.max_by(|one, other| similarity(one).total_cmp(&similarity(other)));
    let closest = closest.filter(|module| similarity(module) >= SIMILAR);
    closest.map_or_else(
        || "; its modules are the folders and files of src: godra::reactor, godra::state::redis".to_owned(),
        |module| format!("; did you mean godra::{module}?"),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn filters() {
        let check = |filter: &str| assert_eq!(parse(filter).as_deref(), Ok(filter));
        for filter in [
            "info",
            "off",
            "godra=debug,warn",
            "godra",
            "godra::reactor=trace",
            "godra::room",
            "godra::script=debug",
            "godra::state::redis=debug",
            " info , mio = warn,",
            "tokio_postgres=debug,info",
            "mio=trace,godra=info",
        ] {
            check(filter);
        }
    }

    #[test]
    fn slips_are_refused() {
        let check = |filter: &str, expected: &str| {
            let refusal = parse(filter).unwrap_err().0;
            assert!(refusal.contains(expected) && refusal.starts_with("RUST_LOG="), "{filter}: {refusal}");
        };
        for slip in [
            "godra=loud",
            "warning",
            "verbose",
            "info;debug",
            "info debug",
            "=info",
            "godra room=info",
            "godra=",
        ] {
            check(slip, "is neither a level");
        }
        check("godra::sevrer=debug", "did you mean godra::server?");
        check("info,godra::state::rdis=debug", "did you mean godra::state::redis?");
        check("godra::nosuch=debug", "godra::nosuch logs nothing");
        check("godra::reac=debug", "did you mean godra::reactor?");
        check("godra::=debug", "godra:: logs nothing");
        check("godra:server=debug", "logs nothing");
        check("godra::qqqqqq", "its modules are");
        check("tokio=debug", "put one in front: info,tokio=debug");
        check("mio=trace,notify=debug", "no level for godra itself");
        check("debug/x", "what is behind /");
        check("info/(", "what is behind /");
        check("godra::reactor=trace/pattern=x", "what is behind /");
    }

    #[test]
    fn the_modules_that_log_are_those_of_the_sources() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut found = BTreeSet::new();
        let mut folders = vec![source.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                // The engine is a crate of its own.
                if path.is_dir() && path != source.join("engine") {
                    folders.push(path);
                } else if path.extension().is_some_and(|ending| ending == "rs") && has_log_macro(&path) {
                    let path = path.strip_prefix(&source).unwrap().with_extension("");
                    let mut names: Vec<_> =
                        path.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
                    names.pop_if(|name| name == "mod");
                    found.insert(names.join("::"));
                }
            }
        }
        let listed: BTreeSet<_> = MODULES.iter().map(|module| (*module).to_owned()).collect();
        assert_eq!(listed, found);
    }

    fn has_log_macro(path: &Path) -> bool {
        let text = fs::read_to_string(path).unwrap();
        let macros = ["error", "warn", "info", "debug", "trace", "log"].map(|name| format!("log::{name}!"));
        macros.iter().any(|name| text.contains(name))
    }
}
