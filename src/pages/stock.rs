//! The demo page and the SDK that it runs on, carried in the binary. Paths are those below `sdk/js`, so that the page's modules
//! find each other, and the SDK, here as there.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;

use super::gzip::{Effort, gzip};
use crate::session::pages::{Found, Page, PageSet};

/// Path, type and content.
type File = (&'static str, &'static str, &'static [u8]);

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// What the browser keeps from a page and its files: scripts, styles and connections of other servers, an address of its own to
/// send forms to, a place in somebody else's frame or window, and what a game has no use for. Browsers look at some of these with the
/// page alone, and pass over them otherwise.
const HEADERS: [(&str, Cow<'static, str>); 6] = [
    ("Cache-Control", Cow::Borrowed("no-cache")),
    (
        "Content-Security-Policy",
        Cow::Borrowed(
            "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ),
    ("X-Frame-Options", Cow::Borrowed("DENY")),
    ("Referrer-Policy", Cow::Borrowed("no-referrer")),
    ("Permissions-Policy", Cow::Borrowed("camera=(), microphone=(), geolocation=(), payment=(), usb=()")),
    ("Cross-Origin-Opener-Policy", Cow::Borrowed("same-origin")),
];

/// A file below `sdk/js`, served under its path there.
macro_rules! page {
    ($path:literal, $content_type:expr) => {
        ($path, $content_type, include_bytes!(concat!("../../sdk/js", $path)))
    };
}

/// The pages of a server, with the demo or without: a game's own page may load the SDK from here either way.
pub(super) fn pages(demo: bool) -> PageSet {
    /// Packed once, for all who come.
    static PAGES: LazyLock<Vec<(&str, Arc<Page>)>> = LazyLock::new(|| FILES.iter().map(page).collect());
    let mut pages = PageSet::default();
    for (path, page) in if demo { &PAGES } else { &PAGES[..SDK_FILES] } {
        pages.insert(*path, Found::Page(page.clone()));
    }
    pages
}

fn page(&(path, content_type, body): &File) -> (&'static str, Arc<Page>) {
    let page = Page::new(content_type, Bytes::from_static(body), Arc::new(HEADERS));
    (path, Arc::new(Page { gzip: gzip(body, Effort::Most), ..page }))
}

/// How many of the pages are the SDK's.
const SDK_FILES: usize = 2;

const FILES: &[File] = &[
    page!("/godra.js", SCRIPT),
    page!("/dist/lobby.js", SCRIPT),
    ("/", HTML, include_bytes!("../../sdk/js/demo/index.html")),
    page!("/demo/demo.css", STYLE),
    page!("/demo/bots.js", SCRIPT),
    page!("/demo/camera.js", SCRIPT),
    page!("/demo/chat.js", SCRIPT),
    page!("/demo/controls.js", SCRIPT),
    page!("/demo/dom.js", SCRIPT),
    page!("/demo/effects.js", SCRIPT),
    page!("/demo/events.js", SCRIPT),
    page!("/demo/figures.js", SCRIPT),
    page!("/demo/game.js", SCRIPT),
    page!("/demo/gems.js", SCRIPT),
    page!("/demo/ground.js", SCRIPT),
    page!("/demo/hud.js", SCRIPT),
    page!("/demo/main.js", SCRIPT),
    page!("/demo/match.js", SCRIPT),
    page!("/demo/maths.js", SCRIPT),
    page!("/demo/pen.js", SCRIPT),
    page!("/demo/play.js", SCRIPT),
    page!("/demo/player.js", SCRIPT),
    page!("/demo/podium.js", SCRIPT),
    page!("/demo/ranking.js", SCRIPT),
    page!("/demo/rounds.js", SCRIPT),
    page!("/demo/scoreboard.js", SCRIPT),
    page!("/demo/session.js", SCRIPT),
    page!("/demo/shapes.js", SCRIPT),
    page!("/demo/sound.js", SCRIPT),
    page!("/demo/speech.js", SCRIPT),
    page!("/demo/stage.js", SCRIPT),
    page!("/demo/start.js", SCRIPT),
    page!("/demo/view.js", SCRIPT),
    page!("/demo/words.js", SCRIPT),
];

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn without_the_demo_the_sdk_is_served_alone() {
        let sdk = pages(false);
        assert!(sdk.len() == 2 && sdk.find("/godra.js").is_some() && sdk.find("/dist/lobby.js").is_some());
        assert!(pages(true).find("/").is_some());
    }

    #[test]
    fn each_page_is_packed_and_the_same_unpacked() {
        for file in FILES {
            let (path, page) = page(file);
            let mut unpacked = Vec::new();
            GzDecoder::new(&*page.gzip).read_to_end(&mut unpacked).unwrap();
            assert!(unpacked == page.body, "{path}");
            assert!(page.gzip.len() < page.body.len(), "{path}");
        }
    }

    #[test]
    fn a_page_lets_no_other_site_in() {
        let pages = pages(true);
        let Some(Found::Page(page)) = pages.find("/") else { panic!("no page") };
        let header = |name: &str| {
            let found = page.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            found.map(|(_, value)| &**value)
        };
        let policy = header("content-security-policy").unwrap();
        for directive in
            ["default-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "object-src 'none'"]
        {
            assert!(policy.contains(directive), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(header("x-frame-options"), Some("DENY"));
        assert_eq!(header("referrer-policy"), Some("no-referrer"));
        assert_eq!(header("cross-origin-opener-policy"), Some("same-origin"));
        assert!(header("permissions-policy").is_some());
    }
}
