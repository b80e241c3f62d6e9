//! Reads the folder again when it changes.
//!
//! The files are looked at every second, which is certain where events of the file system are not. A build or an upload writes many
//! files one after the other: a change counts when a second look finds the same, or at once on SIGHUP.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::folder::Survey;
use super::{Files, Loaded, Pages, PublicFolder};
use crate::threads;

/// How often the folder is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The thread that looks; ends when stopped.
pub(crate) struct PageWatcher {
    look_now: Arc<Sender<()>>,
    thread: JoinHandle<()>,
}

impl PageWatcher {
    /// Packs what was loaded, and looks from now on. None if no folder is served.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn start(pages: Arc<Pages>, loaded: Loaded) -> io::Result<Option<Self>> {
        let Some(folder) = pages.folder.clone() else { return Ok(None) };
        let (look_now, asked) = bounded(1);
        let watch = Watch { pages, folder, files: loaded.0, waiting: None, problem: None };
        let thread = threads::lasting("page-watch").spawn(move || watch.run(&asked))?;
        Ok(Some(Self { look_now: Arc::new(look_now), thread }))
    }

    /// What has the folder looked at now, and taken as it is. It keeps nothing from ending.
    pub(crate) fn rereader(&self) -> impl Fn() + Send + 'static {
        let look_now = Arc::downgrade(&self.look_now);
        move || {
            if let Some(look_now) = look_now.upgrade() {
                // Full means that it is about to look.
                let _ = look_now.try_send(());
            }
        }
    }

    /// Ends the thread and waits for it.
    pub(crate) fn stop(self) {
        drop(self.look_now);
        // A panic was reported.
        let _ = self.thread.join();
    }
}

struct Watch {
    pages: Arc<Pages>,
    folder: PublicFolder,
    files: Files,
    /// A change that the next look is to find again.
    waiting: Option<Survey>,
    /// Why the folder is not served as it is, which is told once.
    problem: Option<String>,
}

impl Watch {
    fn run(mut self, asked: &Receiver<()>) {
        self.pack();
        loop {
            let is_asked = match asked.recv_timeout(LOOK_EVERY) {
                Ok(()) => true,
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if let Err(problem) = self.look(is_asked) {
                self.tell(problem, is_asked);
            }
        }
    }

    /// Looks at the folder. What it has counts when the last look found the same, or at once when `at_once`.
    fn look(&mut self, at_once: bool) -> Result<(), String> {
        let survey = Survey::take(&self.folder.dir).inspect_err(|_| self.waiting = None)?;
        if survey == self.files.survey {
            self.waiting = None;
            if self.problem.take().is_some() {
                log::info!("the public folder is as it was before");
            }
        } else if at_once || self.waiting.as_ref() == Some(&survey) {
            self.waiting = None;
            let files = Files::read(survey, &self.files, &self.folder.headers())?;
            files.tell(&self.folder, &self.files.survey);
            self.problem = None;
            self.files = files;
            self.pages.show(&self.files);
            self.pack();
        } else {
            self.waiting = Some(survey);
        }
        Ok(())
    }

    fn pack(&mut self) {
        self.files = self.files.packed();
        self.pages.show(&self.files);
    }

    fn tell(&mut self, problem: String, is_asked: bool) {
        if is_asked || self.problem.as_ref() != Some(&problem) {
            log::error!("the public files are not replaced, the old ones serve on: {problem}");
            self.problem = Some(problem);
        }
    }
}
