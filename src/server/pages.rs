//! The demo page and the SDK that it runs on, carried in the binary.

use crate::session::Page;

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// What `GET /` and its links answer.
pub const PAGES: &[Page] = &[
    Page { path: "/", content_type: HTML, body: include_bytes!("../../sdk/js/demo/index.html") },
    Page { path: "/demo.js", content_type: SCRIPT, body: include_bytes!("../../sdk/js/demo/demo.js") },
    Page { path: "/demo.css", content_type: STYLE, body: include_bytes!("../../sdk/js/demo/demo.css") },
    Page { path: "/godra.js", content_type: SCRIPT, body: include_bytes!("../../sdk/js/godra.js") },
];
