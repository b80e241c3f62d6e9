//! The structure of the source is as `src/lib.rs` draws it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod protocol;
mod specification;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Who imports from whom.
type Arrows = BTreeMap<String, BTreeSet<String>>;

#[test]
fn imports_go_the_way_that_the_picture_shows() {
    let (drawn, found) = (drawn_arrows(), found_arrows());
    let names = |arrows: &Arrows| arrows.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&drawn), names(&found), "the modules in src/lib.rs's list, and those in src");
    for (module, imports) in &found {
        let undrawn: Vec<_> = imports.difference(&drawn[module]).collect();
        assert!(
            undrawn.is_empty(),
            "{module} imports from {undrawn:?}, an arrow that src/lib.rs does not show"
        );
        let unused: Vec<_> = drawn[module].difference(imports).collect();
        assert!(unused.is_empty(), "src/lib.rs shows that {module} imports from {unused:?}: it does not");
    }
}

#[test]
fn the_picture_has_no_circles() {
    let mut arrows = drawn_arrows();
    while !arrows.is_empty() {
        let leaves: Vec<String> =
            arrows.iter().filter(|(_, to)| to.is_empty()).map(|(name, _)| name.clone()).collect();
        assert!(!leaves.is_empty(), "a circle in {arrows:#?}");
        arrows.retain(|name, _| !leaves.contains(name));
        arrows.values_mut().for_each(|to| to.retain(|name| !leaves.contains(name)));
    }
}

/// The event loop hands out what is to be done in few places, and its parts have their own methods.
#[test]
fn the_shard_has_methods_in_four_files() {
    let files = rust_files(&source().join("reactor"));
    let with_methods = files.iter().filter(|file| fs::read_to_string(file).unwrap().contains("impl Shard "));
    let mut names: Vec<_> = with_methods.map(|file| file.file_stem().unwrap().to_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["carry_out", "inbox", "rooms_out", "shard"]);
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The lines `//! MODULE → MODULE, MODULE` of `src/lib.rs`.
fn drawn_arrows() -> Arrows {
    let text = fs::read_to_string(source().join("lib.rs")).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("//! ")?.split_once('→'));
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let lines = lines.filter(|(from, _)| is_name(from.trim()));
    let names =
        |to: &str| to.split(',').map(|name| name.trim().to_owned()).filter(|name| name != "-").collect();
    lines.map(|(from, to)| (from.trim().to_owned(), names(to))).collect()
}

/// What each module of `src` imports from others, but for its tests.
fn found_arrows() -> Arrows {
    let modules = modules();
    let mut arrows: Arrows = modules.keys().map(|name| (name.clone(), BTreeSet::new())).collect();
    for (name, files) in &modules {
        let text: String = files.iter().map(|file| without_tests(file)).collect();
        let named = text.split("crate::").skip(1).map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(rest.len());
            rest[..end].to_owned()
        });
        let others = named.filter(|other| other != name && modules.contains_key(other));
        arrows.get_mut(name).unwrap().extend(others);
    }
    arrows
}

/// The modules of the crate, with their files.
fn modules() -> BTreeMap<String, Vec<PathBuf>> {
    let mut modules: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for entry in fs::read_dir(source()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let files = if path.is_dir() { rust_files(&path) } else { vec![path.clone()] };
        // `src/engine` is a crate of its own, and the crate's roots import from everywhere.
        let is_rust = path.is_dir() || path.extension().is_some_and(|ending| ending == "rs");
        if is_rust && !["engine", "lib", "main"].contains(&name.as_str()) {
            modules.entry(name).or_default().extend(files);
        }
    }
    modules
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files
}

/// A file's text up to its tests, without comments; nothing of a file of tests.
fn without_tests(file: &Path) -> String {
    let is_test = file.components().any(|part| part.as_os_str() == "tests") || file.ends_with("tests.rs");
    if is_test {
        return String::new();
    }
    let text = fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]").next().unwrap();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}
