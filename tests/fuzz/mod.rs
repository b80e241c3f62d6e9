//! Fuzzing: what reads bytes that others have written, each a plain function of them that panics when something is wrong.
//!
//! `cargo test fuzz` runs every target for a moment: on its corpus as it is, and on mutations of it by a seed that a failure
//! prints. `tests/fuzz/run TARGET SECONDS` lets libFuzzer look for more, guided by the code that an input reaches; what it finds goes
//! to `corpus/TARGET`, with a name that says what it was.
//!
//! To add a target: a function in `targets` that says what must hold, a line in [`TARGETS`], and a folder in `corpus` with a few good
//! inputs; `corpus/TARGET.dict`, if it is there, has words of its language, in libFuzzer's form. One that needs what is private to a
//! module is mounted there.

#![allow(clippy::unwrap_used, reason = "a target fails by panicking")]

#[path = "targets/commands.rs"]
mod commands;
#[path = "targets/frames.rs"]
mod frames;
#[path = "targets/http.rs"]
mod http;
#[path = "targets/lua.rs"]
mod lua;
#[path = "targets/messages.rs"]
mod messages;
#[path = "targets/proxy_header.rs"]
mod proxy_header;
#[path = "targets/token.rs"]
pub(crate) mod token;

#[cfg(test)]
mod mutation;
#[cfg(test)]
mod seeded;

/// Something that is fuzzed.
#[derive(Debug)]
pub struct Target {
    /// Also that of its corpus.
    pub name: &'static str,
    /// Panics when what is made of these bytes is wrong.
    pub check: fn(&[u8]),
}

/// All of them.
pub const TARGETS: [Target; 20] = [
    target("addresses", crate::session::fuzz::check),
    target("commands", commands::check),
    target("erasure_log", crate::account::erasure_log::fuzz::check),
    target("frames", frames::check),
    target("http", http::check),
    target("issuer", crate::account::external::fuzz::check),
    target("kept_documents", crate::state::embedded::fuzz_documents::check),
    target("lua_json", lua::check_json),
    target("lua_msgpack", lua::check_msgpack),
    target("lua_pattern", lua::check_pattern),
    target("lua_source", lua::check_source),
    target("lua_struct", lua::check_struct),
    target("mail_body", crate::state::embedded::fuzz_mail::check),
    target("messages", messages::check),
    target("proxy_header", proxy_header::check),
    target("redis", crate::state::redis::fuzz::check),
    target("script", crate::script::fuzz::check),
    target("settings", crate::config::fuzz::check),
    target("state_file", crate::state::embedded::fuzz::check),
    target("token", token::check),
];

const fn target(name: &'static str, check: fn(&[u8])) -> Target {
    Target { name, check }
}

/// The first byte says in pieces of which lengths the rest comes.
fn pieces(data: &[u8]) -> Option<(&[u8], Vec<&[u8]>)> {
    let (&first, rest) = data.split_first()?;
    let lengths = [usize::from(first >> 4) + 1, usize::from(first & 15) * 7 + 1];
    Some((rest, crate::wire::testing::cut(rest, &lengths)))
}
