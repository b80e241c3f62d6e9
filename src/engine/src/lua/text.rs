//! `string` where Lua's own takes time that no hook sees: searching, replacing and repeating.

use std::ffi::c_int;

use super::pattern::{Capture, Matcher, Meter, Stop, find_plain};
use super::stack::{Entry, Kind, Outcome, Raised, Stack, native};

/// What replaces Lua's own.
pub(super) fn functions() -> [Entry; 9] {
    [
        (c"find", native(find)),
        (c"match", native(match_once)),
        (c"gmatch", native(gmatch)),
        (c"gfind", native(gmatch)),
        (c"gsub", native(gsub)),
        (c"rep", native(rep)),
        (c"reverse", native(reverse)),
        (c"lower", native(lower)),
        (c"upper", native(upper)),
    ]
}

/// Nanoseconds that a step of matching takes, about.
const STEP_COST: usize = 8;

impl Meter for Stack<'_> {
    #[inline]
    fn spend(&self, steps: usize) -> bool {
        let budget = &self.host().budget;
        budget.spend(steps * STEP_COST) || budget.check(self.state()).is_none()
    }
}

fn find(stack: Stack<'_>) -> Outcome {
    search(stack, true)
}

fn match_once(stack: Stack<'_>) -> Outcome {
    search(stack, false)
}

fn search(stack: Stack<'_>, is_find: bool) -> Outcome {
    let subject = stack.check_bytes(1)?;
    let pattern = stack.check_bytes(2)?;
    let start = relative(stack.optional_integer(3, 1)?, subject.len()).max(1) - 1;
    let start = (start as usize).min(subject.len());
    if is_find && (stack.boolean(4) || is_plain(pattern)) {
        return match find_plain(subject, pattern, start, &stack) {
            Ok(Some(at)) => {
                stack.push_number((at + 1) as f64);
                stack.push_number((at + pattern.len()) as f64);
                Ok(2)
            }
            Ok(None) => {
                stack.push_nil();
                Ok(1)
            }
            Err(stop) => Err(stopped(stack, stop)),
        };
    }
    let (pattern, is_anchored) = anchor(pattern);
    let mut matcher = Matcher::new(subject, pattern, &stack);
    match matcher.search(start, is_anchored).map_err(|stop| stopped(stack, stop))? {
        None => {
            stack.push_nil();
            Ok(1)
        }
        Some((at, end)) if is_find => {
            stack.push_number((at + 1) as f64);
            stack.push_number(end as f64);
            Ok(push_captures(stack, subject, matcher.captures(), None)? + 2)
        }
        whole => push_captures(stack, subject, matcher.captures(), whole),
    }
}

fn gmatch(stack: Stack<'_>) -> Outcome {
    stack.check_bytes(1)?;
    stack.check_bytes(2)?;
    stack.set_top(2);
    stack.push_number(0.0);
    stack.push_native(native(gmatch_next), 3);
    Ok(1)
}

fn gmatch_next(stack: Stack<'_>) -> Outcome {
    let subject = stack.bytes(Stack::upvalue(1)).unwrap_or_default();
    let pattern = stack.bytes(Stack::upvalue(2)).unwrap_or_default();
    let start = stack.integer(Stack::upvalue(3)).unwrap_or(0) as usize;
    let mut matcher = Matcher::new(subject, pattern, &stack);
    if start > subject.len() {
        return Ok(0);
    }
    let Some((at, end)) = matcher.search(start, false).map_err(|stop| stopped(stack, stop))? else {
        return Ok(0);
    };
    stack.push_number((end + usize::from(end == at)) as f64);
    stack.replace(Stack::upvalue(3));
    push_captures(stack, subject, matcher.captures(), Some((at, end)))
}

fn gsub(stack: Stack<'_>) -> Outcome {
    let subject = stack.check_bytes(1)?;
    let pattern = stack.check_bytes(2)?;
    let replacement = stack.kind(3);
    // Lua reads this argument before it looks at the third.
    let most = stack.optional_int(4, (subject.len() as i32).wrapping_add(1))?;
    if !matches!(replacement, Kind::Number | Kind::String | Kind::Function | Kind::Table) {
        return Err(stack.argument_error(3, format_args!("string/function/table expected")));
    }
    let (pattern, is_anchored) = anchor(pattern);
    let mut matcher = Matcher::new(subject, pattern, &stack);
    let mut out = Vec::new();
    let (mut at, mut count) = (0, 0);
    while count < most {
        let found = matcher.search(at, is_anchored).map_err(|stop| stopped(stack, stop))?;
        let Some((start, end)) = found else { break };
        out.extend_from_slice(&subject[at..start]);
        at = start;
        count += 1;
        let piece = Match { stack, subject, captures: matcher.captures(), start, end };
        piece.replace(replacement, &mut out)?;
        if end > at {
            at = end;
        } else if at < subject.len() {
            out.push(subject[at]);
            at += 1;
        } else {
            break;
        }
        if is_anchored {
            break;
        }
    }
    out.extend_from_slice(&subject[at..]);
    stack.check_room(out.len())?;
    stack.push_bytes(&out);
    stack.push_number(f64::from(count));
    Ok(2)
}

/// One match of `gsub`.
struct Match<'a> {
    stack: Stack<'a>,
    subject: &'a [u8],
    captures: &'a [Capture],
    start: usize,
    end: usize,
}

impl Match<'_> {
    fn whole(&self) -> &[u8] {
        &self.subject[self.start..self.end]
    }

    fn replace(&self, replacement: Kind, out: &mut Vec<u8>) -> Result<(), Raised> {
        let stack = self.stack;
        match replacement {
            Kind::Function => {
                stack.push_value(3);
                let count = push_captures(stack, self.subject, self.captures, Some((self.start, self.end)))?;
                stack.call(count, 1)?;
            }
            Kind::Table => {
                push_capture(stack, self.subject, self.captures, 0, (self.start, self.end))?;
                stack.get(3)?;
            }
            _ => return self.expand_template(out),
        }
        if !stack.boolean(-1) {
            out.extend_from_slice(self.whole());
        } else if let Some(bytes) = stack.bytes(-1) {
            out.extend_from_slice(bytes);
        } else {
            let kind = stack.kind(-1).name();
            return Err(stack.error(format_args!("invalid replacement value (a {kind})")));
        }
        stack.pop(1);
        stack.check_room(out.len())
    }

    fn expand_template(&self, out: &mut Vec<u8>) -> Result<(), Raised> {
        let template = self.stack.bytes(3).unwrap_or_default();
        let mut bytes = template.iter();
        while let Some(&byte) = bytes.next() {
            if byte != b'%' {
                out.push(byte);
                continue;
            }
            // Past its end a template reads as a nul, as C strings do.
            match bytes.next().copied().unwrap_or(0) {
                b'0' => out.extend_from_slice(self.whole()),
                digit @ b'1'..=b'9' => self.write_capture(usize::from(digit - b'1'), out)?,
                other => out.push(other),
            }
        }
        self.stack.spend(template.len())?;
        self.stack.check_room(out.len())
    }

    fn write_capture(&self, index: usize, out: &mut Vec<u8>) -> Result<(), Raised> {
        let stack = self.stack;
        push_capture(stack, self.subject, self.captures, index, (self.start, self.end))?;
        out.extend_from_slice(stack.bytes(-1).unwrap_or_default());
        stack.pop(1);
        Ok(())
    }
}

fn rep(stack: Stack<'_>) -> Outcome {
    let text = stack.check_bytes(1)?;
    let count = usize::try_from(stack.check_int(2)?).unwrap_or(0);
    let size = text.len().saturating_mul(count);
    stack.check_room(size)?;
    stack.spend(size / 16)?;
    stack.push_bytes(&text.repeat(count));
    Ok(1)
}

fn reverse(stack: Stack<'_>) -> Outcome {
    convert(stack, |text| text.reverse())
}

fn lower(stack: Stack<'_>) -> Outcome {
    convert(stack, <[u8]>::make_ascii_lowercase)
}

fn upper(stack: Stack<'_>) -> Outcome {
    convert(stack, <[u8]>::make_ascii_uppercase)
}

fn convert(stack: Stack<'_>, change: fn(&mut [u8])) -> Outcome {
    let text = stack.check_bytes(1)?;
    stack.check_room(text.len())?;
    stack.spend(text.len() / 8)?;
    let mut changed = text.to_vec();
    change(&mut changed);
    stack.push_bytes(&changed);
    Ok(1)
}

/// Pushes the captures, or the whole match if the pattern has none and `whole` is wanted. Gives how many.
fn push_captures(
    stack: Stack<'_>,
    subject: &[u8],
    captures: &[Capture],
    whole: Option<(usize, usize)>,
) -> Result<c_int, Raised> {
    let count = if captures.is_empty() && whole.is_some() { 1 } else { captures.len() };
    if !stack.reserve(count as c_int) {
        return Err(stack.error(format_args!("stack overflow (too many captures)")));
    }
    for index in 0..count {
        push_capture(stack, subject, captures, index, whole.unwrap_or((0, 0)))?;
    }
    Ok(count as c_int)
}

fn push_capture(
    stack: Stack<'_>,
    subject: &[u8],
    captures: &[Capture],
    index: usize,
    whole: (usize, usize),
) -> Result<(), Raised> {
    match captures.get(index) {
        Some(&Capture::Span { start, end }) => stack.push_bytes(&subject[start..end]),
        Some(&Capture::Position(at)) => stack.push_number((at + 1) as f64),
        Some(Capture::Unfinished { .. }) => return Err(stack.error(format_args!("unfinished capture"))),
        None if index == 0 => stack.push_bytes(&subject[whole.0..whole.1]),
        None => return Err(stack.error(format_args!("invalid capture index"))),
    }
    Ok(())
}

fn stopped(stack: Stack<'_>, stop: Stop) -> Raised {
    match stop {
        Stop::Malformed(text) => stack.error(format_args!("{text}")),
        Stop::Spent => match stack.check() {
            Err(raised) => raised,
            Ok(()) => stack.error(format_args!("pattern matching was stopped")),
        },
    }
}

/// Whether nothing in the pattern, up to its end or a nul, is special.
fn is_plain(pattern: &[u8]) -> bool {
    !pattern.iter().take_while(|&&byte| byte != 0).any(|byte| b"^$*+?.([%-".contains(byte))
}

fn anchor(pattern: &[u8]) -> (&[u8], bool) {
    match pattern.strip_prefix(b"^") {
        Some(rest) => (rest, true),
        None => (pattern, false),
    }
}

/// A position counted from 1, or from the end if negative; 0 if that is before the start.
fn relative(position: i64, len: usize) -> i64 {
    let position = if position < 0 { position.saturating_add(len as i64 + 1) } else { position };
    position.max(0)
}
