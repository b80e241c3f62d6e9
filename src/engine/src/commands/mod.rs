//! The commands, one file a type, and the table that names them.
//!
//! A command is one function and one line in [`table`]. Texts of errors are Valkey 9.1's, as a script sees them from
//! `redis.pcall`; what `redis.call` adds when it raises them (the script's name and line) is the Lua side's.

mod arguments;
mod bitfield;
mod bits;
mod expiry;
mod failure;
mod foreign;
mod hashes;
mod keys;
mod lcs;
mod limit;
mod list_pops;
mod lists;
mod long_double;
mod natural;
mod number;
mod pattern;
mod pick;
mod scan;
mod server;
mod sets;
mod shortest;
mod sort;
mod sorted_set_algebra;
mod sorted_set_ranges;
mod sorted_sets;
mod strings;
mod table;

pub use failure::{Failure, Outcome};
pub use number::{format_float, format_integer};
pub use pick::MAX_ORDERED;

use super::keyspace::{Context, Keyspace};
use super::reply::ReplyBuffer;

/// One line of the command table.
#[derive(Debug)]
pub struct Command {
    /// In lower case.
    pub name: &'static str,
    /// Arguments with the command's name; a negative number means at least that many.
    pub arity: i16,
    /// What the command does, in one or more [`flags`].
    pub flags: u8,
    /// Which arguments are keys.
    pub keys: Keys,
    pub(super) run: Run,
}

/// A command's function. The arguments begin with the command's name, and their number was checked.
pub(super) type Run = fn(&mut Keyspace, &[&[u8]], &mut ReplyBuffer) -> Outcome;

/// What a command does.
pub mod flags {
    /// May change the keyspace.
    pub const WRITE: u8 = 1;
    /// May make the keyspace larger.
    pub const DENY_OOM: u8 = 1 << 1;
    /// Its answer depends on chance or on the clock.
    pub const RANDOM: u8 = 1 << 2;
}

/// Which of a command's arguments are keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// None.
    None,
    /// From `first` to `last` (counted from the end if negative), every `step`-th.
    Range {
        /// The first key.
        first: usize,
        /// The last key; -1 is the last argument.
        last: isize,
        /// 2 where values stand between keys.
        step: usize,
    },
    /// As many as the argument at `count` says, following it, every `step`-th; and the first argument, if that is the destination.
    Counted {
        /// Where the number of keys is.
        count: usize,
        /// 2 where values stand between keys.
        step: usize,
        /// Whether argument 1 is a key, too.
        destination: bool,
    },
    /// `SORT`: the first argument and what follows `STORE`. The keys that its patterns reach are not known in advance.
    Sort,
}

impl Command {
    /// Checks what can be checked without looking at the arguments' meaning.
    ///
    /// # Errors
    /// A wrong number of arguments.
    pub fn check(&self, arguments: &[&[u8]], context: &Context) -> Result<(), Failure> {
        let expected = usize::from(self.arity.unsigned_abs());
        let fits = if self.arity < 0 { arguments.len() >= expected } else { arguments.len() == expected };
        match (fits, context.from_script) {
            (false, true) => Err(Failure::fixed("ERR Wrong number of args calling command from script")),
            (false, false) => Err(Failure::wrong_arity(self.name)),
            (true, _) => Ok(()),
        }
    }

    /// Whether the command may change the keyspace.
    pub fn is_write(&self) -> bool {
        self.flags & flags::WRITE != 0
    }

    /// Whether the command may make the keyspace larger.
    pub fn may_grow(&self) -> bool {
        self.flags & flags::DENY_OOM != 0
    }

    /// Whether the command changes the keyspace and cannot make it larger.
    pub fn only_changes(&self) -> bool {
        self.flags & (flags::WRITE | flags::DENY_OOM) == flags::WRITE
    }

    /// Whether it looks at or removes keys that it does not name.
    pub fn works_on_all_keys(&self) -> bool {
        matches!(self.name, "keys" | "scan" | "randomkey" | "dbsize" | "flushall" | "flushdb")
    }

    /// Where its keys are, for scripts that look for them: `FIRST,LAST,STEP` by places of arguments from 1, a negative last one from the
    /// end; `c` and the same as `COUNT,STEP` behind an argument that says how many there are, `d` if one is in front as well; `-` for
    /// none, `s` for those of `SORT`.
    pub fn key_places(&self) -> String {
        match self.keys {
            Keys::None => "-".to_owned(),
            Keys::Range { first, last, step } => format!("{first},{last},{step}"),
            Keys::Counted { count, step, destination } => {
                format!("{}{count},{step}", if destination { "d" } else { "c" })
            }
            Keys::Sort => "s".to_owned(),
        }
    }

    /// Which of so many arguments are keys, as far as that does not depend on what they say.
    pub fn fixed_keys(&self, arguments: usize) -> Vec<usize> {
        match self.keys {
            Keys::None => Vec::new(),
            Keys::Range { first, last, step } => {
                let end = if last < 0 { arguments as isize + last } else { last };
                (first..arguments).step_by(step).take_while(|index| *index as isize <= end).collect()
            }
            Keys::Counted { destination, .. } => {
                if destination {
                    vec![1]
                } else {
                    Vec::new()
                }
            }
            Keys::Sort => vec![1],
        }
    }

    /// The arguments that are keys, as far as they are there.
    pub fn keys_of<'a>(&self, arguments: &[&'a [u8]]) -> Vec<&'a [u8]> {
        match self.keys {
            Keys::None => Vec::new(),
            Keys::Range { first, last, step } => {
                let end = if last < 0 {
                    arguments.len().saturating_add_signed(last + 1)
                } else {
                    last as usize + 1
                };
                let end = end.min(arguments.len());
                arguments.get(first..end).unwrap_or_default().iter().step_by(step).copied().collect()
            }
            Keys::Counted { count, step, destination } => {
                let number = arguments.get(count).and_then(|text| number::parse_integer(text)).unwrap_or(0);
                let number = usize::try_from(number).unwrap_or(0);
                let rest = arguments.get(count + 1..).unwrap_or_default();
                let destination = arguments.get(1).filter(|_| destination);
                destination.into_iter().chain(rest.iter().step_by(step).take(number)).copied().collect()
            }
            Keys::Sort => sort::keys_of(arguments),
        }
    }
}

/// The command of that name, in any case.
pub fn find(name: &[u8]) -> Option<&'static Command> {
    table::find(name)
}

/// Whether Redis has a command of that name which scripts cannot call here.
pub fn is_refused(name: &[u8]) -> bool {
    let context = Context { now_ms: 0, from_script: true };
    find(name).is_none() && foreign::refusal(name, &context).is_some()
}

/// The names of all commands.
pub fn names() -> impl Iterator<Item = &'static str> {
    table::all().iter().map(|command| command.name)
}

/// The command that `arguments` begins with, checked.
///
/// # Errors
/// No arguments, an unknown command, or what [`Command::check`] refuses.
pub(super) fn resolve(arguments: &[&[u8]], context: &Context) -> Result<&'static Command, Failure> {
    let Some(name) = arguments.first() else {
        return Err(Failure::fixed("ERR Please specify at least one argument for this call"));
    };
    let command = find(name).ok_or_else(|| unknown(name, arguments, context))?;
    command.check(arguments, context)?;
    Ok(command)
}

const NOT_FROM_SCRIPT: Failure = Failure::fixed("ERR This Valkey command is not allowed from script");

fn unknown(name: &[u8], arguments: &[&[u8]], context: &Context) -> Failure {
    if let Some(refusal) = foreign::refusal(name, context) {
        return refusal;
    }
    if context.from_script {
        return Failure::fixed("ERR Unknown command called from script");
    }
    let mut listed = String::new();
    let mut room = 128_usize;
    for argument in &arguments[1..] {
        let shown = failure::as_c_string(argument, room);
        listed += &format!("'{}' ", failure::quoted(shown, room));
        room = room.saturating_sub(shown.len() + "'' ".len());
        if room == 0 {
            break;
        }
    }
    let name = failure::quoted(name, 128);
    Failure::new(format!("ERR unknown command '{name}', with args beginning with: {listed}"))
}
