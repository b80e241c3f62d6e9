//! Files that are served as they are: a game's own page, or the demo, and the SDK.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;

/// Headers that go with a page, by name.
pub type PageHeaders = Arc<[(&'static str, Cow<'static, str>)]>;

/// A file in memory, whole. Its bytes are shared by all answers that send them.
#[derive(Clone, Debug)]
pub struct Page {
    /// What is sent as `Content-Type`.
    pub content_type: &'static str,
    /// What is sent as `Content-Encoding` with `body`, if the file is packed in itself.
    pub coding: Option<&'static str>,
    /// The file's bytes.
    pub body: Bytes,
    /// The same gzipped; empty if that is not done.
    pub gzip: Bytes,
    /// Tells this content from another: the middle of an `ETag`.
    pub tag: Box<str>,
    /// What else is said with it.
    pub headers: PageHeaders,
}

impl Page {
    /// A page that is not packed.
    pub fn new(content_type: &'static str, body: Bytes, headers: PageHeaders) -> Self {
        let mut tag = sha1_smol::Sha1::from(&body).digest().to_string();
        tag.truncate(16);
        Self { content_type, coding: None, body, gzip: Bytes::new(), tag: tag.into(), headers }
    }
}

/// What is at a path.
#[derive(Clone, Debug)]
pub enum Found {
    /// A file.
    Page(Arc<Page>),
    /// A folder that was asked for without the slash at its end: its page's links are relative to that.
    Folder,
}

/// All pages of one moment, by path.
#[derive(Debug, Default)]
pub struct PageSet {
    found: HashMap<Box<str>, Found>,
    not_found: Option<Arc<Page>>,
    /// Where in memory the bodies begin.
    bodies: HashSet<usize>,
}

impl PageSet {
    /// Has a path lead to something, in the place of what was there.
    pub fn insert(&mut self, path: impl Into<Box<str>>, found: Found) {
        if let Found::Page(page) = &found {
            self.bodies.extend([address(&page.body), address(&page.gzip)]);
        }
        self.found.insert(path.into(), found);
    }

    /// The page for people who ask for what is not there.
    pub fn set_not_found(&mut self, page: Arc<Page>) {
        self.bodies.insert(address(&page.body));
        self.not_found = Some(page);
    }

    /// What is at a path, which is percent-decoded.
    pub fn find(&self, path: &str) -> Option<&Found> {
        self.found.get(path)
    }

    /// See [`PageSet::set_not_found`].
    pub fn not_found(&self) -> Option<&Arc<Page>> {
        self.not_found.as_ref()
    }

    /// Whether the body is one of this set's, and so in memory whoever is being sent it.
    pub fn has_body(&self, body: &Bytes) -> bool {
        self.bodies.contains(&address(body))
    }

    /// How many paths lead to something.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Whether no path does.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }
}

fn address(bytes: &Bytes) -> usize {
    bytes.as_ptr().addr()
}
