//! The prompt for a password, on a terminal.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::time::Instant;

use crate::common::PATIENCE;
use crate::common::accounts::{PASSWORD, try_user_command};
use crate::common::output::Output;
use crate::common::server::Folder;

/// `godra user …` on a terminal of its own.
struct Terminal {
    keyboard: File,
    screen: Output,
    /// What the screen showed when it was last looked at.
    seen: usize,
    process: Child,
}

impl Terminal {
    fn start(folder: &Folder, arguments: &[&str]) -> Self {
        let (mut ours, mut theirs) = (-1, -1);
        // SAFETY: the call writes two descriptors to where the pointers lead; the others may be null.
        let outcome = unsafe {
            libc::openpty(&mut ours, &mut theirs, std::ptr::null_mut(), std::ptr::null(), std::ptr::null())
        };
        assert_eq!(outcome, 0, "{}", std::io::Error::last_os_error());
        // SAFETY: the call has opened both, for us alone.
        let (ours, theirs) = unsafe { (OwnedFd::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) };
        let mut command = Command::new(env!("CARGO_BIN_EXE_godra"));
        command.current_dir(folder.path()).env_clear().arg("user").args(arguments);
        let descriptor = theirs.as_raw_fd();
        // SAFETY: between fork and exec only system calls are made, and nothing is allocated.
        unsafe {
            command.pre_exec(move || match libc::login_tty(descriptor) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            });
        }
        let process = command.spawn().unwrap();
        let screen = Output::default();
        let keyboard = File::from(ours);
        screen.follow(keyboard.try_clone().unwrap());
        Self { keyboard, screen, seen: 0, process }
    }

    /// Waits until the screen shows something new.
    #[track_caller]
    fn wait_for(&mut self, text: &str) {
        let seen = self.seen;
        self.seen = self.screen.wait_for(text, |all| Some(seen + all.get(seen..)?.find(text)? + text.len()));
    }

    fn type_in(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Whether what is typed is shown.
    fn echoes(&self) -> bool {
        let mut settings = std::mem::MaybeUninit::<libc::termios>::uninit();
        // SAFETY: the pointer is to a termios of ours, which the call fills when it succeeds.
        let outcome = unsafe { libc::tcgetattr(self.keyboard.as_raw_fd(), settings.as_mut_ptr()) };
        assert_eq!(outcome, 0, "{}", std::io::Error::last_os_error());
        // SAFETY: the call succeeded.
        unsafe { settings.assume_init() }.c_lflag & libc::ECHO != 0
    }

    fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end; the screen: {}", self.screen);
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_password_is_not_shown_and_what_follows_is() {
    let folder = Folder::empty();
    let mut terminal = Terminal::start(&folder, &["create", "ann", "--role", "manager"]);
    for question in ["Password: ", "Once more: "] {
        terminal.wait_for(question);
        assert!(!terminal.echoes());
        terminal.type_in(&format!("{PASSWORD}\n"));
    }
    assert_eq!(terminal.wait().code(), Some(0), "{}", terminal.screen);
    assert!(terminal.echoes());
    assert!(!terminal.screen.text().contains(PASSWORD), "{}", terminal.screen);
    let (_, list, _) = try_user_command(&folder, "game.db", &["list"], "");
    assert!(list.contains("ann"), "{list}");
}

#[test]
fn two_passwords_that_differ_are_refused() {
    let folder = Folder::empty();
    let mut terminal = Terminal::start(&folder, &["create", "ann"]);
    terminal.wait_for("Password: ");
    terminal.type_in("one password\n");
    terminal.wait_for("Once more: ");
    terminal.type_in("another one\n");
    terminal.wait_for("the two passwords differ");
    assert_ne!(terminal.wait().code(), Some(0));
    assert!(terminal.echoes());
}

#[test]
fn ctrl_c_leaves_a_terminal_that_shows_what_is_typed() {
    let folder = Folder::empty();
    let mut terminal = Terminal::start(&folder, &["create", "ann"]);
    terminal.wait_for("Password: ");
    terminal.type_in("half a pass\u{3}");
    assert_eq!(terminal.wait().signal(), Some(libc::SIGINT), "{}", terminal.screen);
    assert!(terminal.echoes());
    assert!(!terminal.screen.text().contains("half a pass"), "{}", terminal.screen);
}
