//! What a script does that another store would not do the same way, found in its tokens.
//!
//! No parser: each lint follows a small part of the grammar, and stays silent where it cannot tell.

use std::collections::HashMap;

use super::tokens::{Token, TokenKind, tokens};

/// What a store says of a command that a script names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Scripts may call it; with so many arguments these (the name is argument 0) are keys.
    Known(Vec<usize>),
    /// It looks at the keys of all rooms.
    LooksAtAllKeys,
    /// Redis knows it, but refuses it to scripts, or not every store has it.
    NotForScripts,
    /// There is no such command.
    Unknown,
}

/// Looks a command up by its name and its number of arguments, the name included.
pub type Commands = fn(&str, usize) -> Command;

/// A line, and what is to be said of it.
pub(super) type Finding = (usize, String);

/// Everything that is found in a script's text, in the order of its lines.
pub(super) fn findings(text: &str, commands: Commands) -> Vec<Finding> {
    let tokens = tokens(text);
    let mut found = calls(&tokens, commands);
    found.extend(other_lua(&tokens));
    found.extend(endless_loops(&tokens));
    found.sort();
    found.dedup();
    found
}

/// Commands and keys of `redis.call` and `redis.pcall`.
fn calls(tokens: &[Token<'_>], commands: Commands) -> Vec<Finding> {
    let built = built_names(tokens);
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        let is_call = ["redis", "server"].into_iter().any(|library| {
            tokens[at..].starts_with_words(&[library, ".", "call"])
                || tokens[at..].starts_with_words(&[library, ".", "pcall"])
        });
        if !is_call {
            continue;
        }
        let Some(arguments) = arguments(&tokens[at + 3..]) else { continue };
        let Some(TokenKind::Text(Some(name))) = sole(arguments[0]).map(|token| token.kind.clone()) else {
            continue;
        };
        let line = tokens[at].line;
        match commands(name, arguments.len()) {
            Command::Unknown => found.push((line, format!("there is no command {name}"))),
            Command::NotForScripts => {
                found.push((line, format!("scripts may not call {name}, or not in every store")));
            }
            Command::LooksAtAllKeys => found.push((
                line,
                format!("{name} looks at the keys of all rooms, and with several stores at those of one"),
            )),
            Command::Known(keys) => {
                for key in keys.iter().filter_map(|key| arguments.get(*key)) {
                    if is_built(key, &built) {
                        let message =
                            format!("{name} works on a key that is not one of KEYS as it is: declare it");
                        found.push((key[0].line, message));
                    }
                }
            }
        }
        for argument in arguments.iter().filter(|argument| has_bare_division(argument)) {
            let message = "a division's result is written 2 by Lua 5.1 and 2.0 by Lua 5.4: use math.floor or string.format";
            found.push((argument[0].line, message.into()));
        }
    }
    found
}

trait StartsWithWords {
    fn starts_with_words(&self, words: &[&str]) -> bool;
}

impl StartsWithWords for [Token<'_>] {
    fn starts_with_words(&self, words: &[&str]) -> bool {
        self.len() >= words.len()
            && self.iter().zip(words).all(|(token, word)| token.is_word(word) || token.is_sign(word))
    }
}

fn is_opening(token: &Token<'_>) -> bool {
    ["(", "[", "{"].iter().any(|sign| token.is_sign(sign))
}

fn is_closing(token: &Token<'_>) -> bool {
    [")", "]", "}"].iter().any(|sign| token.is_sign(sign))
}

/// The arguments of a call whose opening parenthesis is the first token; none when there are none.
pub(super) fn arguments<'a, 't>(tokens: &'a [Token<'t>]) -> Option<Vec<&'a [Token<'t>]>> {
    let inner = tokens.strip_prefix_sign("(")?;
    let mut arguments = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, token) in inner.iter().enumerate() {
        if is_opening(token) || token.is_word("function") {
            depth += 1;
        } else if depth == 0 && (token.is_sign(",") || token.is_sign(")")) {
            arguments.push(&inner[start..at]);
            start = at + 1;
            if token.is_sign(")") {
                return arguments.iter().all(|argument| !argument.is_empty()).then_some(arguments);
            }
        } else if is_closing(token) || token.is_word("end") {
            depth -= 1;
        }
    }
    None
}

trait StripPrefixSign: Sized {
    fn strip_prefix_sign(self, sign: &str) -> Option<Self>;
}

impl StripPrefixSign for &[Token<'_>] {
    fn strip_prefix_sign(self, sign: &str) -> Option<Self> {
        self.split_first().filter(|(first, _)| first.is_sign(sign)).map(|(_, rest)| rest)
    }
}

/// The token of an expression that is no more than one.
pub(super) fn sole<'a, 't>(expression: &'a [Token<'t>]) -> Option<&'a Token<'t>> {
    match expression {
        [token] => Some(token),
        _ => None,
    }
}

/// Locals that are assigned once, and hold a text that the script has put together.
fn built_names<'t>(tokens: &[Token<'t>]) -> HashMap<&'t str, bool> {
    let mut names: HashMap<&str, bool> = HashMap::new();
    for (at, token) in tokens.iter().enumerate() {
        let TokenKind::Word(name) = token.kind else { continue };
        let is_field = at > 0 && (tokens[at - 1].is_sign(".") || tokens[at - 1].is_sign(":"));
        let is_assigned = tokens.get(at + 1).is_some_and(|next| next.is_sign("="));
        if is_field || !is_assigned {
            continue;
        }
        let is_alone = at > 0 && tokens[at - 1].is_word("local");
        let is_built = is_alone && is_built_text(statement_rest(&tokens[at + 2..]));
        // A second assignment may give it anything.
        names.entry(name).and_modify(|built| *built = false).or_insert(is_built);
    }
    names
}

/// The expression at the front: up to the line's end, which is where most end, but not within parentheses.
fn statement_rest<'a, 't>(tokens: &'a [Token<'t>]) -> &'a [Token<'t>] {
    let Some(first) = tokens.first() else { return tokens };
    let mut depth = 0;
    let mut line = first.line;
    for (at, token) in tokens.iter().enumerate() {
        let continues = at > 0 && (tokens[at - 1].is_sign("..") || token.is_sign(".."));
        if depth == 0 && ((token.line != line && !continues) || token.is_sign(";")) {
            return &tokens[..at];
        }
        line = token.line;
        if is_opening(token) {
            depth += 1;
        } else if is_closing(token) {
            depth -= 1;
        }
    }
    tokens
}

/// Whether an expression is a text of the script's own, or puts texts together at its outermost level.
fn is_built_text(expression: &[Token<'_>]) -> bool {
    let mut depth = 0;
    let mut joins = false;
    for token in expression {
        if is_opening(token) {
            depth += 1;
        } else if is_closing(token) {
            depth -= 1;
        } else if depth == 0
            && ["and", "or", "=="].iter().any(|word| token.is_word(word) || token.is_sign(word))
        {
            return false;
        }
        joins |= depth == 0 && token.is_sign("..");
    }
    let is_literal = matches!(sole(expression).map(|token| &token.kind), Some(TokenKind::Text(_)));
    joins || is_literal
}

fn is_built(key: &[Token<'_>], built: &HashMap<&str, bool>) -> bool {
    let is_built_local = match sole(key).map(|token| &token.kind) {
        Some(TokenKind::Word(name)) => built.get(name).copied().unwrap_or_default(),
        Some(TokenKind::Number(_)) => true,
        _ => false,
    };
    is_built_local || is_built_text(key)
}

/// Whether an argument divides (or raises to a power) outside of any call that could round it.
fn has_bare_division(argument: &[Token<'_>]) -> bool {
    let is_rounded = argument
        .iter()
        .any(|token| ["floor", "ceil", "format", "encode", "pack"].iter().any(|word| token.is_word(word)));
    !is_rounded && argument.iter().any(|token| token.is_sign("/") || token.is_sign("^"))
}

/// Names that one Lua has and another lacks, with what to use; and what differs from one run to the next.
const OTHER_LUA: [(&[&str], &str); 16] = [
    (&["loadstring"], "loadstring is load in Lua 5.4, and most stores have neither"),
    (&["setfenv"], "Lua 5.4 has no setfenv"),
    (&["getfenv"], "Lua 5.4 has no getfenv"),
    (&["newproxy"], "Lua 5.4 has no newproxy"),
    (&["table", ".", "getn"], "Lua 5.4 has no table.getn: use #"),
    (&["table", ".", "setn"], "Lua 5.4 has no table.setn"),
    (&["table", ".", "maxn"], "Lua 5.4 has no table.maxn"),
    (&["table", ".", "foreach"], "Lua 5.4 has no table.foreach: use pairs"),
    (&["table", ".", "foreachi"], "Lua 5.4 has no table.foreachi: use ipairs"),
    (&["math", ".", "pow"], "Lua 5.4 has no math.pow: use ^"),
    (&["math", ".", "mod"], "Lua 5.4 has no math.mod: use math.fmod"),
    (&["math", ".", "log10"], "Lua 5.4 has no math.log10: use math.log(x) / math.log(10)"),
    (&["string", ".", "gfind"], "Lua 5.4 has no string.gfind: use string.gmatch"),
    (
        &["os", ".", "clock"],
        "os.clock is godra.now in seconds, and stands still while the script runs: use godra.now",
    ),
    (&["os", ".", "time"], "Redis has no os.time: use godra.now"),
    (&["os", ".", "date"], "Redis has no os.date: use godra.now"),
];

fn other_lua(tokens: &[Token<'_>]) -> Vec<Finding> {
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let is_field = at > 0 && (tokens[at - 1].is_sign(".") || tokens[at - 1].is_sign(":"));
        let said = OTHER_LUA.iter().find(|(words, _)| tokens[at..].starts_with_words(words));
        if let Some((_, message)) = said.filter(|_| !is_field) {
            found.push((token.line, (*message).to_owned()));
        }
        if token.is_word("unpack") && !is_field && !is_fallback(tokens, at) {
            let message = "unpack is table.unpack in Lua 5.4: write local unpack = table.unpack or unpack";
            found.push((token.line, message.into()));
        }
    }
    // One such line at the top serves all uses below it.
    if has_fallback(tokens) {
        found.retain(|(_, message)| !message.starts_with("unpack "));
    }
    found
}

/// Whether this `unpack` belongs to `unpack or table.unpack`, in either order.
fn is_fallback(tokens: &[Token<'_>], at: usize) -> bool {
    tokens[at + 1..].starts_with_words(&["or", "table", ".", "unpack"])
        || tokens[..at].ends_with_words(&["table", ".", "unpack", "or"])
}

fn has_fallback(tokens: &[Token<'_>]) -> bool {
    (0..tokens.len()).any(|at| tokens[at].is_word("unpack") && is_fallback(tokens, at))
}

trait EndsWithWords {
    fn ends_with_words(&self, words: &[&str]) -> bool;
}

impl EndsWithWords for [Token<'_>] {
    fn ends_with_words(&self, words: &[&str]) -> bool {
        self.len() >= words.len() && self[self.len() - words.len()..].starts_with_words(words)
    }
}

/// A block that is open.
struct Block {
    kind: BlockKind,
    line: usize,
    /// Whether something in it leaves it.
    has_exit: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum BlockKind {
    /// A loop; whether its condition is always true, as far as the head of a `while` tells.
    Loop(bool),
    Function,
    Other,
}

/// Loops whose condition never ends them and that nothing leaves.
fn endless_loops(tokens: &[Token<'_>]) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut blocks: Vec<Block> = Vec::new();
    // The `do` that comes next belongs to this loop.
    let mut head: Option<(usize, bool)> = None;
    for (at, token) in tokens.iter().enumerate() {
        let TokenKind::Word(word) = token.kind else { continue };
        if at > 0 && (tokens[at - 1].is_sign(".") || tokens[at - 1].is_sign(":")) {
            leave_by_error(&tokens[at - 1..], &mut blocks);
            continue;
        }
        let mut open = |kind, line| blocks.push(Block { kind, line, has_exit: false });
        match word {
            "while" => head = Some((token.line, is_always_true(&tokens[at + 1..]))),
            "for" => head = Some((token.line, false)),
            "do" => match head.take() {
                Some((line, is_endless)) => open(BlockKind::Loop(is_endless), line),
                None => open(BlockKind::Other, token.line),
            },
            "repeat" => open(BlockKind::Loop(false), token.line),
            "function" => open(BlockKind::Function, token.line),
            "if" => open(BlockKind::Other, token.line),
            "end" => found.extend(blocks.pop().and_then(|block| block.complaint(false))),
            "until" => {
                let is_endless = tokens[at + 1..].first().is_some_and(is_always_false)
                    && !tokens.get(at + 2).is_some_and(|next| next.is_word("or"));
                found.extend(blocks.pop().and_then(|block| block.complaint(is_endless)));
            }
            "break" => {
                let innermost =
                    blocks.iter_mut().rev().find(|block| matches!(block.kind, BlockKind::Loop(_)));
                if let Some(block) = innermost {
                    block.has_exit = true;
                }
            }
            "return" | "error" | "goto" => leave_function(&mut blocks),
            _ => {}
        }
    }
    found
}

impl Block {
    fn complaint(&self, until_never: bool) -> Option<Finding> {
        let is_endless = self.kind == BlockKind::Loop(true) || until_never;
        let message = "this loop has no end: nothing in it breaks or returns";
        (is_endless && !self.has_exit).then(|| (self.line, message.to_owned()))
    }
}

fn leave_function(blocks: &mut [Block]) {
    let within = blocks.iter_mut().rev().take_while(|block| block.kind != BlockKind::Function);
    within.for_each(|block| block.has_exit = true);
}

/// `godra.error(…)` leaves every loop.
fn leave_by_error(tokens: &[Token<'_>], blocks: &mut [Block]) {
    if tokens.starts_with_words(&[".", "error", "("]) {
        leave_function(blocks);
    }
}

fn is_always_true(tokens: &[Token<'_>]) -> bool {
    let is_constant = match tokens.first().map(|token| &token.kind) {
        Some(TokenKind::Word(word)) => *word == "true",
        Some(TokenKind::Number(_) | TokenKind::Text(_)) => true,
        _ => false,
    };
    is_constant && tokens.get(1).is_some_and(|next| next.is_word("do"))
}

fn is_always_false(token: &Token<'_>) -> bool {
    token.is_word("false") || token.is_word("nil")
}

#[cfg(test)]
mod tests;
