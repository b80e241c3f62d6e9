//! What makes a phase's figures doubtful.

use super::Phase;

/// Above these the tester itself shapes the figures.
const LATE_MS: f64 = 5.0;
const BUSY_CORES: f64 = 0.95;
/// Above this something else on the machine does.
const OTHER_CORES: f64 = 0.15;
const ERROR_SHARE: f64 = 0.01;

/// One line for each thing.
pub(crate) fn of(phase: &Phase) -> Vec<String> {
    let mut warnings = Vec::new();
    let name = &phase.name;
    if let Some(late) = phase.lateness.as_ref().filter(|late| late.p99_ms > LATE_MS) {
        warnings.push(format!(
            "{name}: the tester itself was late (p99 {:.1} ms): its figures are too high",
            late.p99_ms
        ));
    }
    if phase.tester_cores > BUSY_CORES {
        warnings
            .push(format!("{name}: the tester's workers used {:.0} % of a core", phase.tester_cores * 100.0));
    }
    if let Some(cores) = phase.other_cores.filter(|cores| *cores > OTHER_CORES) {
        warnings.push(format!("{name}: other programs used {:.0} % of a core meanwhile", cores * 100.0));
    }
    let errors: u64 = phase.all.errors.values().sum();
    if errors as f64 > ERROR_SHARE * phase.all.inputs as f64 {
        warnings.push(format!("{name}: {errors} of {} inputs were refused", phase.all.inputs));
    }
    if phase.all.inputs > 0 && phase.all.answers == 0 {
        warnings.push(format!("{name}: no input came back as an event, so there is no latency"));
    }
    warnings
}
