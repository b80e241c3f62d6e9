//! Asks for a password at the terminal without showing it.

use std::io::{self, BufRead, Write};
use std::thread::JoinHandle;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use crate::sys::TerminalSettings;

/// Asks on standard error, as standard output may go elsewhere, and reads a line of standard input without its echo.
///
/// # Errors
/// Standard input is no terminal, or cannot be read.
pub(super) fn ask(question: &str) -> io::Result<String> {
    let mut screen = io::stderr().lock();
    let mut line = String::new();
    {
        // Before the question: who answers at once is not shown, either.
        let _hidden = Hidden::begin()?;
        write!(screen, "{question}")?;
        screen.flush()?;
        io::stdin().lock().read_line(&mut line)?;
    }
    writeln!(screen)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// While it lives the terminal does not show what is typed. A signal that ends the process does not leave it so.
struct Hidden {
    before: TerminalSettings,
    signals: Handle,
    watch: Option<JoinHandle<()>>,
}

impl Hidden {
    fn begin() -> io::Result<Self> {
        let before = TerminalSettings::read()?;
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT])?;
        let handle = signals.handle();
        let watch = std::thread::Builder::new().name("prompt".into()).spawn(move || {
            if let Some(signal) = signals.forever().next() {
                restore(&before);
                // If that fails, the process goes on asking.
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
        })?;
        let hidden = Self { before, signals: handle, watch: Some(watch) };
        before.without_echo().apply()?;
        Ok(hidden)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        self.signals.close();
        if let Some(watch) = self.watch.take() {
            // It has nothing to return; that it ended is enough.
            let _ = watch.join();
        }
        restore(&self.before);
    }
}

fn restore(before: &TerminalSettings) {
    if let Err(error) = before.apply() {
        eprintln!("godra: the terminal may not show what you type: {error}");
    }
}
