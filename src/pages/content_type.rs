//! What a file is, by its name.

/// How a file is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileType {
    /// What is sent as `Content-Type`.
    pub content_type: &'static str,
    /// What is sent as `Content-Encoding`, if the file is packed in itself.
    pub coding: Option<&'static str>,
    /// Whether to pack it for those who take that: it is not packed by its own format.
    pub is_packable: bool,
}

const UNKNOWN: &str = "application/octet-stream";

/// Endings, their type, and whether packing such files pays.
const TYPES: &[(&[&str], &str, bool)] = &[
    (&["html", "htm"], "text/html; charset=utf-8", true),
    (&["js", "mjs"], "text/javascript; charset=utf-8", true),
    (&["css"], "text/css; charset=utf-8", true),
    (&["json", "map"], "application/json", true),
    (&["webmanifest"], "application/manifest+json", true),
    (&["txt"], "text/plain; charset=utf-8", true),
    (&["md"], "text/markdown; charset=utf-8", true),
    (&["csv"], "text/csv; charset=utf-8", true),
    (&["xml"], "application/xml", true),
    (&["svg"], "image/svg+xml", true),
    (&["wasm"], "application/wasm", true),
    // Godot's and Unity's: scenes, scripts and textures in one file, of which some are packed.
    (&["pck", "data", "unityweb", "bin", "mem"], UNKNOWN, true),
    (&["gltf"], "model/gltf+json", true),
    (&["glb"], "model/gltf-binary", true),
    (&["png"], "image/png", false),
    (&["jpg", "jpeg"], "image/jpeg", false),
    (&["gif"], "image/gif", false),
    (&["webp"], "image/webp", false),
    (&["avif"], "image/avif", false),
    (&["bmp"], "image/bmp", true),
    (&["ico"], "image/x-icon", true),
    (&["woff"], "font/woff", false),
    (&["woff2"], "font/woff2", false),
    (&["ttf"], "font/ttf", true),
    (&["otf"], "font/otf", true),
    (&["mp3"], "audio/mpeg", false),
    (&["ogg", "oga", "opus"], "audio/ogg", false),
    (&["wav"], "audio/wav", true),
    (&["m4a", "aac"], "audio/mp4", false),
    (&["flac"], "audio/flac", false),
    (&["mp4"], "video/mp4", false),
    (&["webm"], "video/webm", false),
    (&["ogv"], "video/ogg", false),
    (&["pdf"], "application/pdf", false),
    (&["zip"], "application/zip", false),
];

impl FileType {
    /// The type of a file of this name. Unity packs its files itself, and names them so: `game.wasm.br` is a WebAssembly module in
    /// Brotli, for browsers to unpack; `maps.tar.gz` is an archive.
    pub(super) fn of(name: &str) -> Self {
        let (rest, ending) = name.rsplit_once('.').unwrap_or((name, ""));
        let coding = match ending {
            "gz" => Some("gzip"),
            "br" => Some("br"),
            _ => None,
        };
        let inner = rest.rsplit_once('.').map_or("", |(_, inner)| inner);
        if coding.is_some() && matches!(inner, "js" | "wasm" | "data" | "json") {
            let content_type = find(inner).map_or(UNKNOWN, |(content_type, _)| content_type);
            return Self { content_type, coding, is_packable: false };
        }
        let (content_type, is_packable) = find(ending).unwrap_or((UNKNOWN, false));
        Self { content_type, coding: None, is_packable }
    }
}

fn find(ending: &str) -> Option<(&'static str, bool)> {
    let ending = ending.to_ascii_lowercase();
    let row = TYPES.iter().find(|(endings, _, _)| endings.contains(&&*ending));
    row.map(|&(_, content_type, is_packable)| (content_type, is_packable))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_by_name() {
        let check = |name: &str, content_type: &str, coding: Option<&str>, is_packable: bool| {
            let found = FileType::of(name);
            assert_eq!((found.content_type, found.coding), (content_type, coding), "{name}");
            assert_eq!(found.is_packable, is_packable, "{name}");
        };
        check("index.html", "text/html; charset=utf-8", None, true);
        check("game.WASM", "application/wasm", None, true);
        check("index.audio.worklet.js", "text/javascript; charset=utf-8", None, true);
        check("game.pck", UNKNOWN, None, true);
        check("game.wasm.br", "application/wasm", Some("br"), false);
        check("game.framework.js.gz", "text/javascript; charset=utf-8", Some("gzip"), false);
        check("game.data.gz", UNKNOWN, Some("gzip"), false);
        check("maps.tar.gz", UNKNOWN, None, false);
        check("hit.ogg", "audio/ogg", None, false);
        check("text.woff2", "font/woff2", None, false);
        check("LICENSE", UNKNOWN, None, false);
        check("js", UNKNOWN, None, false);
        check("a.", UNKNOWN, None, false);
    }
}
