//! From OpenMetrics to the Prometheus text format, which every scraper reads.

/// Rewrites an exposition of counters, gauges and histograms.
///
/// In the Prometheus format a counter's `HELP` and `TYPE` lines carry the sample's name, `_total` included, and there
/// are no `UNIT` and `EOF` lines (<https://prometheus.io/docs/instrumenting/exposition_formats/>). The samples are the
/// same in both.
pub(super) fn prometheus_from_open_metrics(open_metrics: &str) -> String {
    let mut prometheus = String::with_capacity(open_metrics.len());
    let mut lines = open_metrics.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(comment) = line.strip_prefix("# ") else {
            push_line(&mut prometheus, &[line]);
            continue;
        };
        match comment.split_once(' ') {
            Some(("HELP", help)) => {
                let is_counter = lines.peek().is_some_and(|next| next.ends_with(" counter"));
                push_metadata(&mut prometheus, "# HELP ", help, is_counter);
            }
            Some(("TYPE", kind)) => {
                push_metadata(&mut prometheus, "# TYPE ", kind, kind.ends_with(" counter"));
            }
            _ => {}
        }
    }
    prometheus
}

fn push_metadata(out: &mut String, keyword: &str, name_and_text: &str, is_counter: bool) {
    let (name, text) = name_and_text.split_once(' ').unwrap_or((name_and_text, ""));
    push_line(out, &[keyword, name, if is_counter { "_total " } else { " " }, text]);
}

fn push_line(out: &mut String, parts: &[&str]) {
    out.extend(parts.iter().copied());
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewrites_metadata_and_keeps_samples() {
        let check = |open_metrics: &str, expected: &str| {
            assert_eq!(prometheus_from_open_metrics(open_metrics), expected);
        };
        check(
            "# HELP a Things.\n# TYPE a counter\na_total{b=\"c\"} 1\n# EOF\n",
            "# HELP a_total Things.\n# TYPE a_total counter\na_total{b=\"c\"} 1\n",
        );
        check("# HELP a A counter\n# TYPE a gauge\na 1\n", "# HELP a A counter\n# TYPE a gauge\na 1\n");
        check(
            "# HELP a_seconds T.\n# TYPE a_seconds counter\n# UNIT a_seconds seconds\na_seconds_total 1.5\n",
            "# HELP a_seconds_total T.\n# TYPE a_seconds_total counter\na_seconds_total 1.5\n",
        );
        check("", "");
    }
}
