//! Which variables of the environment are meant for the server, and which only look so.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::settings;

/// In front of a variable's name; one that has it wins over one that has not.
pub(super) const PREFIX: &str = "GODRA_";
/// Names from this similarity on, 0 to 1, are taken for slips of each other.
const SIMILAR: f64 = 0.75;

/// The variables of the process.
#[derive(Debug, Default)]
pub(super) struct Environment {
    variables: BTreeMap<String, OsString>,
    machine: Option<String>,
}

impl Environment {
    /// Of this process.
    pub(super) fn of_process() -> Self {
        let named = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value));
        // Only Linux has it there; elsewhere `HOST` is taken as it comes.
        let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
        Self {
            variables: std::env::vars_os().filter_map(named).collect(),
            machine: machine.map(|name| name.trim().to_owned()),
        }
    }

    /// A variable's value, if it is meant for the server.
    pub(super) fn get(&self, name: &str) -> Option<OsString> {
        self.variables
            .get(name)
            .filter(|value| !self.is_of_shell(name, value) && !is_of_cluster(name, value))
            .cloned()
    }

    /// What is not taken though it may have been meant, a sentence each.
    pub(super) fn warnings(&self) -> Vec<String> {
        self.variables.iter().filter_map(|(name, value)| self.warning(name, value)).collect()
    }

    fn warning(&self, name: &str, value: &OsString) -> Option<String> {
        if self.is_of_shell(name, value) {
            return Some(format!(
                "{name} in the environment is this machine's name, as some shells set it, and is not taken; {PREFIX}HOST is"
            ));
        }
        if is_of_cluster(name, value) { None } else { unknown_setting(name, "the environment") }
    }

    /// Whether it is the variable in which some shells keep the machine's name: nobody wants a server that listens there alone.
    fn is_of_shell(&self, name: &str, value: &OsString) -> bool {
        let Some(machine) = self.machine.as_deref().filter(|_| name == "HOST") else { return false };
        let short = |name: &str| name.split('.').next().map(str::to_ascii_lowercase);
        machine != "localhost" && value.to_str().is_some_and(|value| short(value) == short(machine))
    }
}

/// What is to be said of a variable that has our prefix and stands in that place, if it is no setting.
pub(super) fn unknown_setting(name: &str, place: &str) -> Option<String> {
    let is_known = |variable: &str| variable == "RUST_LOG" || settings::is_variable(variable);
    let bare = name.strip_prefix(PREFIX).filter(|bare| !is_known(bare))?;
    if bare.starts_with("TEST_") {
        return None;
    }
    let similarity = |variable: &String| strsim::jaro_winkler(bare, variable);
    let closest = settings::variables().max_by(|one, other| similarity(one).total_cmp(&similarity(other)));
    let closest = closest.filter(|variable| similarity(variable) >= SIMILAR);
    let tip = closest.map(|variable| format!("; did you mean {PREFIX}{variable}?")).unwrap_or_default();
    Some(format!("{name} in {place} is no setting{tip}"))
}

/// Whether it is one of those by which Kubernetes tells each container where the service `godra` is.
fn is_of_cluster(name: &str, value: &OsString) -> bool {
    name.starts_with("GODRA_SERVICE_")
        || name.starts_with("GODRA_PORT_")
        || (name == "GODRA_PORT" && value.to_str().is_some_and(|value| value.contains("://")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), OsString::from(value));
        Environment {
            variables: variables.iter().map(owned).collect(),
            machine: Some("Laptop.example".to_owned()),
        }
    }

    fn check(name: &str, value: &str, expected: Option<&str>, warning: &str) {
        let environment = environment(&[(name, value)]);
        assert_eq!(environment.get(name), expected.map(OsString::from), "{name}={value}");
        assert_eq!(environment.warnings().join(""), warning, "{name}={value}");
    }

    #[test]
    fn what_shells_and_clusters_set_is_not_taken() {
        let shell = "HOST in the environment is this machine's name, as some shells set it, and is not taken; GODRA_HOST is";
        check("HOST", "laptop", None, shell);
        check("HOST", "laptop.example", None, shell);
        check("HOST", "localhost", Some("localhost"), "");
        check("HOST", "10.0.0.1", Some("10.0.0.1"), "");
        check("GODRA_HOST", "laptop", Some("laptop"), "");
        check("GODRA_PORT", "tcp://10.0.0.7:80", None, "");
        check("GODRA_PORT", "9000", Some("9000"), "");
        check("GODRA_SERVICE_HOST", "10.0.0.7", None, "");
        check("GODRA_PORT_8080_TCP", "tcp://10.0.0.7:80", None, "");
    }

    #[test]
    fn a_slip_in_a_name_is_told() {
        let warning = |name: &str| environment(&[(name, "x")]).warnings().join("");
        assert_eq!(
            warning("GODRA_JWT_SECERT"),
            "GODRA_JWT_SECERT in the environment is no setting; did you mean GODRA_JWT_SECRET?"
        );
        assert_eq!(warning("GODRA_QQQ"), "GODRA_QQQ in the environment is no setting");
        assert_eq!(warning("GODRA_LOG_FORMAT"), "");
        assert_eq!(warning("GODRA_RUST_LOG"), "");
        assert_eq!(warning("GODRA_TEST_FAULT"), "");
        assert_eq!(warning("JWT_SECERT"), "");
    }
}
