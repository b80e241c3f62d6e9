//! The `godra` binary: hands its arguments to the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    godra::cli::main(godra::server::run)
}
