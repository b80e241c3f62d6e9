//! The report as JSON: every field as it is. This is the form in which a report is kept.

use super::Report;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::Path;

/// Writes the report to a file.
pub(crate) fn write(report: &Report, path: &Path) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    serde_json::to_writer_pretty(&mut file, report)?;
    writeln!(file)?;
    file.flush()
}

/// Reads a report that was kept.
pub(crate) fn read(path: &Path) -> io::Result<Report> {
    let file = BufReader::new(File::open(path)?);
    serde_json::from_reader(file)
        .map_err(|error| io::Error::other(format!("not the report of a run, as --json writes it: {error}")))
}
