//! Asks for a password at the terminal without showing it.

use std::io::{self, BufRead, Write};

use libc::{ECHO, STDIN_FILENO, TCSAFLUSH, termios};

/// Asks on standard error, as standard output may go elsewhere, and reads a line of standard input without its echo.
///
/// # Errors
/// Standard input is no terminal, or cannot be read.
pub(super) fn ask(question: &str) -> io::Result<String> {
    let mut screen = io::stderr().lock();
    write!(screen, "{question}")?;
    screen.flush()?;
    let mut line = String::new();
    {
        let _hidden = Hidden::begin()?;
        io::stdin().lock().read_line(&mut line)?;
    }
    writeln!(screen)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// While it lives the terminal does not show what is typed.
struct Hidden(termios);

impl Hidden {
    fn begin() -> io::Result<Self> {
        let mut settings = std::mem::MaybeUninit::<termios>::uninit();
        // SAFETY: the pointer is to a termios of ours, which the call fills when it succeeds.
        if unsafe { libc::tcgetattr(STDIN_FILENO, settings.as_mut_ptr()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call succeeded.
        let before = unsafe { settings.assume_init() };
        let mut silent = before;
        silent.c_lflag &= !ECHO;
        set(&silent)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if let Err(error) = set(&self.0) {
            eprintln!("godra: the terminal may not show what you type: {error}");
        }
    }
}

fn set(settings: &termios) -> io::Result<()> {
    // SAFETY: the pointer is to a termios that the call only reads.
    match unsafe { libc::tcsetattr(STDIN_FILENO, TCSAFLUSH, settings) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
