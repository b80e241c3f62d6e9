//! The report as one page that needs nothing else: the figures as tables, the timeline as plots.

use super::{Report, table};
use std::fs;
use std::io;
use std::path::Path;

/// The page without its data; the script in it draws whatever stands in place of `/*REPORT*/`.
const PAGE: &str = include_str!("page.html");

/// Writes the page to a file.
pub(crate) fn write(report: &Report, path: &Path) -> io::Result<()> {
    fs::write(path, render(report)?)
}

fn render(report: &Report) -> io::Result<String> {
    // Inside a script element only this sequence could end it.
    let data = serde_json::to_string(report)?.replace("</", "<\\/");
    let text = escape(&table::render(report));
    Ok(PAGE.replace("/*REPORT*/null", &data).replace("<!--TABLE-->", &text))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
