//! Reads the folder again when it changes.
//!
//! The files are looked at every second, which is certain where events of the file system are not. A build or an upload writes many
//! files one after the other: a change counts when a second look finds the same, or at once on SIGHUP.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::folder::Survey;
use super::{Files, Loaded, Pages, PublicFolder};
use crate::threads::poller::{Occasions, Poller};

/// How often the folder is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Packs what was loaded, and looks from now on. None if no folder is served.
///
/// # Errors
/// When no thread can be started.
pub(crate) fn watch(pages: Arc<Pages>, loaded: Loaded) -> io::Result<Option<Poller>> {
    let Some(folder) = pages.folder.clone() else { return Ok(None) };
    let watch = Watch { pages, folder, files: loaded.0, waiting: None, problem: None };
    Poller::start("page-watch", LOOK_EVERY, move |occasions| watch.run(occasions)).map(Some)
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
    fn run(mut self, occasions: Occasions) {
        self.pack();
        for occasion in occasions {
            if let Err(problem) = self.look(occasion.is_asked()) {
                self.tell(problem, occasion.is_asked());
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
