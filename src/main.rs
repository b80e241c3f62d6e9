//! The `godra` binary: hands its arguments to the library.

fn main() -> std::process::ExitCode {
    godra::cli::main()
}
