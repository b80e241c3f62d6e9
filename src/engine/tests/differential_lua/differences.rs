//! Where a store's scripts answer otherwise than the engine's, each difference with the version that made it. Valkey 9.1 differs
//! in two things only: in which order it has the keys of a table, which Lua leaves open, and Redis has as the engine does; and every
//! store shows by `tostring` where a value lies in memory, which the engine does not (scripts of the server have its `tostring` there).

use super::server::Product;

/// One difference in words.
struct Wording {
    name: &'static str,
    /// The stores that have the older words.
    stores: &'static [Product],
    /// What the engine says, and what the store says in its place.
    words: &'static [(&'static str, &'static str)],
}

const REDIS: &[Product] = &[Product::Redis7, Product::Redis8];
const REDIS_7: &[Product] = &[Product::Redis7];

static WORDINGS: &[Wording] = &[
    Wording {
        name: "Redis 7.2: levels of the log",
        stores: REDIS_7,
        words: &[("Invalid log level.", "Invalid debug level.")],
    },
    Wording {
        name: "Valkey 8.0: errors do not name the product, and functions are the server's",
        stores: REDIS,
        words: &[
            ("one argument for this call", "one argument for this redis lib call"),
            ("Command arguments must be", "Lua redis lib command arguments must be"),
            ("Unknown command called", "Unknown Redis command called"),
            ("args calling command", "args calling Redis command"),
            ("server.log()", "redis.log()"),
            ("server.setresp()", "redis.setresp()"),
        ],
    },
    Wording {
        name: "Valkey 8.1: who holds the copyright of cmsgpack",
        stores: REDIS,
        words: &[("Redis Ltd.", "Salvatore Sanfilippo")],
    },
    Wording {
        name: "Valkey 9.1: the product's own name",
        stores: REDIS,
        words: &[("This Valkey command", "This Redis command")],
    },
];

/// What Redis does not know: `server`, which Valkey 7.2 has made.
pub fn is_unknown(product: Product, snippet: &str) -> bool {
    product != Product::Valkey9 && snippet.contains("server.")
}

/// Whether the two answers are alike, but for a difference that has a name.
pub fn allow(product: Product, snippet: &str, ours: &str, theirs: &str) -> bool {
    ours == theirs
        || snippet.contains("tostring(") && ours == theirs.replace(": (nil)", "")
        || product != Product::Redis7 && differ_in_sign_of_nan(snippet, ours, theirs)
        || product == Product::Redis7 && differ_in_digits(snippet, ours, theirs)
        || product == Product::Valkey9 && differ_in_order(snippet, ours, theirs)
        || WORDINGS.iter().any(|wording| wording.stores.contains(&product) && wording.explains(ours, theirs))
}

impl Wording {
    fn explains(&self, ours: &str, theirs: &str) -> bool {
        assert!(!self.name.is_empty());
        self.words.iter().any(|(here, there)| ours.contains(here) && ours.replace(here, there) == theirs)
    }
}

/// Redis 7.2: numbers reach commands and replies with their shortest digits, and not with 17.
fn differ_in_digits(snippet: &str, ours: &str, theirs: &str) -> bool {
    let number = |text: &str| -> Option<f64> {
        let text = text.strip_prefix("\"true ").unwrap_or(text);
        text.trim_matches(['"', '\\']).parse().ok()
    };
    let is_number_given = snippet.contains("redis.call(") || snippet.contains("double");
    is_number_given && number(ours).is_some() && number(ours) == number(theirs)
}

/// Whether a function of C's library gave another NaN: the packaged servers are made for an older library than the system's.
fn differ_in_sign_of_nan(snippet: &str, ours: &str, theirs: &str) -> bool {
    snippet.contains("math.") && ours.replace("-nan", "nan") == theirs.replace("-nan", "nan")
}

/// Whether the texts of a table are alike but for the order of what is in them.
fn differ_in_order(snippet: &str, ours: &str, theirs: &str) -> bool {
    let sorted = |text: &str| {
        let mut bytes = text.as_bytes().to_vec();
        bytes.sort_unstable();
        bytes
    };
    snippet.contains("cjson.encode") && sorted(ours) == sorted(theirs)
}
