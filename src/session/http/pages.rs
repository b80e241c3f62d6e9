//! How pages are answered: packed for those who take that, and not at all for those who have them.

use std::sync::Arc;

use super::encoding::accepts_gzip;
use crate::session::answer::{Answer, Body};
use crate::session::pages::{Found, Page};
use crate::session::{Context, Services};
use crate::wire::ErrorCode;
use crate::wire::http::{Method, Request};

/// What a request for a page leads to.
pub(super) enum PageReply {
    /// The client has what it asks for.
    Known { page: Arc<Page>, tag: String },
    /// The file, or the one that is sent in its place with a 404.
    Whole { page: Arc<Page>, status: u16, tag: String, is_packed: bool },
    /// It is a folder, whose page is at this path.
    Folder(String),
    /// There is nothing.
    Nothing,
}

impl PageReply {
    /// What a request for a path that no other route has leads to.
    pub(super) fn to(request: &Request, context: &Context<'_>) -> Self {
        let pages = context.services.pages();
        match pages.find(&request.path) {
            Some(Found::Page(page)) if is_known(&page.tag, request) => {
                Self::Known { tag: format!("\"{}\"", page.tag), page: page.clone() }
            }
            Some(Found::Page(page)) => Self::whole(page, 200, request),
            Some(Found::Folder) => Self::Folder(folder_location(request)),
            None => Self::nothing(request, context.services),
        }
    }

    /// A browser that goes to a path where nothing is gets a page; programs, and scripts of pages, get the error.
    pub(super) fn nothing(request: &Request, services: &dyn Services) -> Self {
        let is_read = matches!(request.method, Method::Get | Method::Head);
        let wants_page = is_read && accepts_html(request);
        match services.pages().not_found() {
            Some(page) if wants_page => Self::whole(page, 404, request),
            _ => Self::Nothing,
        }
    }

    fn whole(page: &Arc<Page>, status: u16, request: &Request) -> Self {
        let is_packed = !page.gzip.is_empty() && accepts_gzip(request);
        let tag = format!("\"{}{}\"", page.tag, if is_packed { PACKED } else { "" });
        Self::Whole { page: page.clone(), status, tag, is_packed }
    }

    pub(super) fn answer(&self) -> Answer<'_> {
        match self {
            Self::Known { page, tag } => Answer { headers: headers(page, tag), ..Answer::empty(304) },
            Self::Whole { page, status, tag, is_packed } => {
                let mut headers = headers(page, tag);
                headers.push(("Content-Type", page.content_type));
                let coding = if *is_packed { Some("gzip") } else { page.coding };
                headers.extend(coding.map(|coding| ("Content-Encoding", coding)));
                let body = if *is_packed { &page.gzip } else { &page.body };
                Answer { status: *status, headers, body: Body::Shared(body.clone()) }
            }
            Self::Folder(location) => Answer { headers: vec![("Location", location)], ..Answer::empty(308) },
            Self::Nothing => Answer::error(ErrorCode::NotFound, "there is nothing at this path"),
        }
    }
}

/// What a packed body's tag ends with: it is other bytes (RFC 9110, section 8.8.3.3).
const PACKED: &str = "-gz";

fn headers<'a>(page: &'a Page, tag: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut headers: Vec<(&str, &str)> = page.headers.iter().map(|(name, value)| (*name, &**value)).collect();
    headers.push(("ETag", tag));
    if !page.gzip.is_empty() {
        // A cache on the way must not give one body to those who asked for the other.
        headers.push(("Vary", "Accept-Encoding"));
    }
    headers
}

/// Whether `If-None-Match` names what the page is, packed or not (RFC 9110, section 13.1.2).
fn is_known(tag: &str, request: &Request) -> bool {
    request.header_list("if-none-match").filter_map(|element| std::str::from_utf8(element).ok()).any(
        |element| {
            let quoted = element.strip_prefix("W/").unwrap_or(element);
            let opaque = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            let is_it = |opaque: &str| opaque.strip_suffix(PACKED).unwrap_or(opaque) == tag;
            element == "*" || opaque.is_some_and(is_it)
        },
    )
}

fn accepts_html(request: &Request) -> bool {
    request.header_list("accept").any(|element| {
        let kind = element.split(|&byte| byte == b';').next().unwrap_or_default();
        kind.trim_ascii().eq_ignore_ascii_case(b"text/html")
    })
}

/// The same path with a slash behind it, and the query as it came. It begins with one slash: a folder's name has none.
fn folder_location(request: &Request) -> String {
    let mut location = String::with_capacity(request.target.len() + 1);
    for byte in request.path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            location.push(char::from(byte));
        } else {
            location.push_str(&format!("%{byte:02X}"));
        }
    }
    location.push('/');
    if !request.query.is_empty() {
        location.extend(["?", &request.query]);
    }
    location
}
