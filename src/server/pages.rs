//! The demo page and the SDK that it runs on, carried in the binary. Paths are those below `sdk/js`, so that the page's modules
//! find each other, and the SDK, here as there.

use std::io::{self, Write};
use std::sync::LazyLock;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::session::Page;

/// Path, type and content.
type File = (&'static str, &'static str, &'static [u8]);

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// A file below `sdk/js`, served under its path there.
macro_rules! page {
    ($path:literal, $content_type:expr) => {
        ($path, $content_type, include_bytes!(concat!("../../sdk/js", $path)))
    };
}

/// The pages of a server, with the demo or without: a game's own page may load the SDK from here either way.
pub(super) fn pages(demo: bool) -> &'static [Page] {
    /// Packed once, for all who come.
    static PAGES: LazyLock<Vec<Page>> = LazyLock::new(|| FILES.iter().map(page).collect());
    if demo { &PAGES } else { &PAGES[..SDK_FILES] }
}

fn page(&(path, content_type, body): &File) -> Page {
    // Writing to memory does not fail; without a packed body the plain one is sent.
    let gzip = gzip(body).unwrap_or_default();
    let pays = gzip.len() < body.len();
    Page { path, content_type, body, gzip: if pays { gzip } else { Vec::new() } }
}

fn gzip(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body)?;
    encoder.finish()
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
        let paths: Vec<&str> = pages(false).iter().map(|page| page.path).collect();
        assert_eq!(paths, ["/godra.js", "/dist/lobby.js"]);
        assert!(pages(true).iter().any(|page| page.path == "/"));
    }

    #[test]
    fn each_page_is_packed_and_the_same_unpacked() {
        for page in pages(true) {
            let mut unpacked = Vec::new();
            GzDecoder::new(page.gzip.as_slice()).read_to_end(&mut unpacked).unwrap();
            assert!(unpacked == page.body, "{}", page.path);
            assert!(page.gzip.len() < page.body.len(), "{}", page.path);
        }
    }
}
