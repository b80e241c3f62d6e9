//! What is served as it is: the files of a game's own folder, or else the demo, and the SDK beside them. All is in memory, so that
//! no path that a client names ever reaches the file system, and no event loop waits for a disk.
//!
//! Begin with [`Pages::load`]; `folder` says what is served of a folder, `watch` when it is read again.

mod content_type;
mod folder;
mod gzip;
mod stock;
mod watch;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use self::content_type::FileType;
use self::folder::{Look, Survey};
use self::gzip::{Effort, gzip};
pub(crate) use self::watch::watch;
use crate::session::Route;
use crate::session::pages::{Found, Page, PageHeaders, PageSet};

/// A game's own folder, and what is said with its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicFolder {
    /// Where it is.
    pub dir: PathBuf,
    /// The `Content-Security-Policy`; none if it is left to the pages.
    pub policy: Option<String>,
    /// Whether pages are isolated from those of other origins, which gives them `SharedArrayBuffer`: threads.
    pub is_isolated: bool,
}

/// What a web build of Godot or Unity needs and no more: scripts and styles in the page itself, WebAssembly, scripts that the engine
/// is told to run (`JavaScriptBridge.eval`), workers and pictures made in the page, and connections to anywhere. What players write
/// is in none of these files.
pub const DEFAULT_POLICY: &str = "default-src 'self' data: blob:; script-src 'self' blob: 'unsafe-inline' 'unsafe-eval' 'wasm-unsafe-eval'; \
     style-src 'self' 'unsafe-inline'; connect-src * data: blob:; object-src 'none'; base-uri 'self'; form-action 'self'; \
     frame-ancestors 'self'";

/// The pages that are served at the moment.
#[derive(Debug)]
pub(crate) struct Pages {
    current: RwLock<Arc<PageSet>>,
    folder: Option<PublicFolder>,
    demo: bool,
}

/// A folder's files in memory.
#[derive(Clone, Debug, Default)]
struct Files {
    survey: Survey,
    pages: BTreeMap<String, Arc<Page>>,
}

impl Pages {
    /// Reads the folder, if there is one; else the demo takes its place, if that is wanted. Nothing is packed yet.
    ///
    /// # Errors
    /// Says what of the folder cannot be served.
    pub(crate) fn load(folder: Option<PublicFolder>, demo: bool) -> Result<(Self, Loaded), String> {
        let pages = Self { current: RwLock::default(), demo: demo && folder.is_none(), folder };
        let Some(folder) = &pages.folder else {
            pages.show(&Files::default());
            return Ok((pages, Loaded(Files::default())));
        };
        let survey = Survey::take(&folder.dir)?;
        let files = Files::read(survey, &Files::default(), &folder.headers())?;
        files.tell(folder, &Survey::default());
        pages.show(&files);
        Ok((pages, Loaded(files)))
    }

    /// What is served now. A reader holds up nobody: it is replaced in one step.
    pub(crate) fn current(&self) -> Arc<PageSet> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn show(&self, files: &Files) {
        let mut pages = stock::pages(self.demo);
        for (path, page) in &files.pages {
            insert(&mut pages, path, page);
        }
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(pages);
    }
}

/// What was read at the start, for whoever watches it.
pub(crate) struct Loaded(Files);

/// A file, and the folders whose page it is.
fn insert(pages: &mut PageSet, path: &str, page: &Arc<Page>) {
    pages.insert(path, Found::Page(page.clone()));
    if path == "/404.html" {
        pages.set_not_found(page.clone());
    }
    if let Some(folder) = path.strip_suffix("/index.html") {
        pages.insert(format!("{folder}/"), Found::Page(page.clone()));
        if !folder.is_empty() {
            pages.insert(folder, Found::Folder);
        }
    }
}

impl PublicFolder {
    /// The headers of its files.
    fn headers(&self) -> PageHeaders {
        let mut headers: Vec<(&'static str, Cow<'static, str>)> = vec![
            ("Cache-Control", "no-cache".into()),
            ("X-Frame-Options", "SAMEORIGIN".into()),
            ("Referrer-Policy", "same-origin".into()),
        ];
        headers.extend(self.policy.iter().map(|policy| ("Content-Security-Policy", policy.clone().into())));
        if self.is_isolated {
            headers.push(("Cross-Origin-Opener-Policy", "same-origin".into()));
            headers.push(("Cross-Origin-Embedder-Policy", "require-corp".into()));
            headers.push(("Cross-Origin-Resource-Policy", "same-origin".into()));
        }
        headers.into()
    }
}

impl Files {
    /// Reads what is not in memory yet.
    fn read(survey: Survey, before: &Self, headers: &PageHeaders) -> Result<Self, String> {
        let mut pages = BTreeMap::new();
        for (path, look) in &survey.files {
            let page = match before.unchanged(path, look) {
                Some(page) => page,
                None => Arc::new(page(path, look.read()?, headers)),
            };
            pages.insert(path.clone(), page);
        }
        Ok(Self { survey, pages })
    }

    fn unchanged(&self, path: &str, look: &Look) -> Option<Arc<Page>> {
        self.pages.get(path).filter(|_| self.survey.files.get(path) == Some(look)).cloned()
    }

    /// The same, with what pays packed. That takes seconds for a large game.
    fn packed(&self) -> Self {
        let pack = |(path, page): (&String, &Arc<Page>)| {
            let is_packable = page.gzip.is_empty() && FileType::of(path).is_packable;
            let gzip = if is_packable { gzip(&page.body, Effort::Usual) } else { page.gzip.clone() };
            if gzip.is_empty() { page.clone() } else { Arc::new(Page { gzip, ..Page::clone(page) }) }
        };
        let pages = self.pages.iter().map(|(path, page)| (path.clone(), pack((path, page)))).collect();
        Self { survey: self.survey.clone(), pages }
    }

    /// Says what is served, and what is not although it was not so in what was found before.
    fn tell(&self, folder: &PublicFolder, before: &Survey) {
        let dir = &folder.dir;
        log::info!(
            "serving public files dir={dir:?} files={} bytes={}",
            self.pages.len(),
            self.survey.bytes()
        );
        for (path, why) in &self.survey.passed_over {
            if before.passed_over.get(path) != Some(why) {
                log::warn!("public file passed over path={path:?} reason={why:?}");
            }
        }
        for path in self.pages.keys() {
            let is_new = !before.files.contains_key(path);
            if is_new && Route::has_path(path) {
                log::warn!(
                    "public file passed over path={path:?} reason=\"the server's own route has this path\""
                );
            }
        }
        if !self.pages.contains_key("/index.html") {
            log::warn!("the public folder has no index.html: / is 404 dir={dir:?}");
        }
    }
}

fn page(path: &str, body: Vec<u8>, headers: &PageHeaders) -> Page {
    let FileType { content_type, coding, .. } = FileType::of(path);
    // Exactly as long as the file: it stays.
    let page = Page::new(content_type, body.into_boxed_slice().into(), headers.clone());
    Page { coding, ..page }
}

/// The folder that is served when none is named: `public` beside that of the scripts.
pub fn default_dir(scripts_dir: &Path) -> Option<PathBuf> {
    let dir = scripts_dir.parent().unwrap_or(Path::new("")).join("public");
    dir.is_dir().then_some(dir)
}
