//! What a call of an extension may be given beyond texts and JSON, and the commands that it may run.

use std::cell::Ref;
use std::ffi::c_int;

use super::extension::{Answer, Call};
use super::redis;
use super::stack::{Kind, Raised};
use crate::commands::Failure;
use crate::reply::ReplyBuffer;

/// Texts in the order in which a script gave them.
pub type Texts = Vec<Box<[u8]>>;

/// A field of a table of options.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its number, unless it is something else; a text is no number, whatever it says.
    pub number: Option<f64>,
    /// Its text, or its number's digits, unless it is something else.
    pub text: Option<Box<[u8]>>,
    /// Whether it is true or false, unless it is something else.
    pub boolean: Option<bool>,
    /// The texts of a list, unless it is something else.
    pub texts: Option<Texts>,
}

/// Names with a number each, unless what they name is something else.
pub type Numbers = Vec<(Box<[u8]>, Option<f64>)>;

/// Nanoseconds that an element of a list takes, about.
const ELEMENT_COST: usize = 50;
/// How many texts a list may have in a table of options that takes other things, too.
const MAX_FIELD_TEXTS: usize = 256;
/// What the texts of a list may have together, in bytes.
pub const MAX_LIST_BYTES: usize = 1 << 20;

impl Call<'_> {
    /// An argument that is a text, or a list of at most so many of them. A number's text is its digits.
    ///
    /// # Errors
    /// It is something else, or too many.
    pub fn texts_of(&self, argument: u8, most: usize) -> Result<Texts, Raised> {
        self.read_texts(argument.into(), most, format_args!("bad argument #{argument}"))
    }

    /// The fields of an argument that is a table: of each name a text, or a list of at most so many of them; none where it is
    /// left out.
    ///
    /// # Errors
    /// The argument is no table, has a field of another name, or one that is something else.
    pub fn options<const N: usize>(
        &self,
        argument: u8,
        names: [&str; N],
        most: usize,
    ) -> Result<[Option<Texts>; N], Raised> {
        let read = |index| {
            let value = self.stack().top();
            self.read_texts(value, most, format_args!("bad option {}", names[index]))
        };
        self.read_options(argument, names, read)
    }

    /// The same, whatever the fields hold.
    ///
    /// # Errors
    /// The argument is no table, has a field of another name, or one that is a list of something else than texts.
    pub fn fields<const N: usize>(
        &self,
        argument: u8,
        names: [&str; N],
    ) -> Result<[Option<Field>; N], Raised> {
        let stack = self.stack();
        let read = |index| {
            let value = stack.top();
            let kind = stack.kind(value);
            let boolean = (kind == Kind::Boolean).then(|| stack.boolean(value));
            let texts = (kind == Kind::Table).then(|| {
                self.read_texts(value, MAX_FIELD_TEXTS, format_args!("bad option {}", names[index]))
            });
            // Before it is made a text.
            let number = if kind == Kind::Number { stack.number(value) } else { None };
            let text = stack.bytes(value).map(Into::into);
            Ok(Field { number, text, boolean, texts: texts.transpose()? })
        };
        self.read_options(argument, names, read)
    }

    /// The fields of an argument that is a table, `most` of them at most; none if it is no table, or names one by something else
    /// than a text.
    ///
    /// # Errors
    /// A budget is spent.
    pub fn numbers(&self, argument: u8, most: usize) -> Result<Option<Numbers>, Raised> {
        let stack = self.stack();
        let table = c_int::from(argument);
        self.make_room();
        if stack.kind(table) != Kind::Table {
            return Ok(None);
        }
        let mut found = Numbers::new();
        stack.push_nil();
        while stack.next(table) {
            if stack.kind(-2) != Kind::String || found.len() == most {
                stack.pop(2);
                let are_names = found.len() == most;
                return Ok(are_names.then_some(found));
            }
            let name = stack.bytes(-2).unwrap_or_default().into();
            let number = if stack.kind(-1) == Kind::Number { stack.number(-1) } else { None };
            found.push((name, number));
            stack.pop(1);
        }
        stack.spend(found.len() * ELEMENT_COST)?;
        Ok(Some(found))
    }

    /// `read` gets a name's index, and the value on top.
    fn read_options<const N: usize, T>(
        &self,
        argument: u8,
        names: [&str; N],
        read: impl Fn(usize) -> Result<T, Raised>,
    ) -> Result<[Option<T>; N], Raised> {
        let stack = self.stack();
        let table = c_int::from(argument);
        self.make_room();
        if stack.kind(table) != Kind::Table {
            let kind = stack.kind(table).name();
            return Err(self.error(format_args!("bad argument #{argument}: a table of options, got {kind}")));
        }
        let mut found = [const { None }; N];
        stack.push_nil();
        while stack.next(table) {
            // The key is left alone: a number that is made a text is no key any more.
            let is_text = stack.kind(-2) == Kind::String;
            let name = if is_text { stack.bytes(-2) } else { None }.unwrap_or_default();
            let Some(index) = names.iter().position(|known| known.as_bytes() == name) else {
                let name = String::from_utf8_lossy(name).into_owned();
                return Err(self.error(format_args!("no option {name:?}: there are {}", names.join(", "))));
            };
            found[index] = Some(read(index)?);
            stack.pop(1);
        }
        Ok(found)
    }

    fn read_texts(&self, index: c_int, most: usize, what: std::fmt::Arguments<'_>) -> Result<Texts, Raised> {
        let stack = self.stack();
        match stack.kind(index) {
            Kind::String | Kind::Number => Ok(vec![stack.bytes(index).unwrap_or_default().into()]),
            Kind::Table => {
                let count = stack.length(index);
                if count > most {
                    return Err(self.error(format_args!("{what}: at most {most} in a list, got {count}")));
                }
                stack.spend(count * ELEMENT_COST)?;
                let mut texts = Vec::with_capacity(count);
                let mut bytes = 0;
                for place in 1..=count {
                    let text = self.read_element(index, place, what)?;
                    bytes += text.len();
                    if bytes > MAX_LIST_BYTES {
                        return Err(
                            self.error(format_args!("{what}: more than {MAX_LIST_BYTES} bytes in a list"))
                        );
                    }
                    texts.push(text);
                }
                Ok(texts)
            }
            Kind::Nil | Kind::None => {
                Err(self.error(format_args!("{what}: a string or a list of strings, got no value")))
            }
            other => {
                let kind = other.name();
                Err(self.error(format_args!("{what}: a string or a list of strings, got {kind}")))
            }
        }
    }

    fn read_element(
        &self,
        list: c_int,
        place: usize,
        what: std::fmt::Arguments<'_>,
    ) -> Result<Box<[u8]>, Raised> {
        let stack = self.stack();
        stack.raw_get_index(list, place as i32);
        let kind = stack.kind(-1);
        let text = match kind {
            Kind::String | Kind::Number => stack.bytes(-1).map(Into::into),
            _ => None,
        };
        stack.pop(1);
        text.ok_or_else(|| self.error(format_args!("{what}: a list of strings, got a {} in it", kind.name())))
    }

    /// An argument that is a number, and finite.
    ///
    /// # Errors
    /// It is none.
    pub fn finite(&self, argument: u8) -> Result<f64, Raised> {
        self.make_room();
        let number = self.stack().check_number(argument.into())?;
        match number.is_finite() {
            true => Ok(number),
            false => Err(self.error(format_args!("bad argument #{argument}: a finite number, got {number}"))),
        }
    }

    /// Gives a list of texts.
    pub fn list<'a>(&self, texts: impl ExactSizeIterator<Item = &'a [u8]>) -> Answer {
        self.make_room();
        let stack = self.stack();
        stack.push_table(texts.len(), 0);
        for (place, text) in (1..).zip(texts) {
            stack.push_bytes(text);
            stack.raw_set_index(-2, place);
        }
        Answer::ONE
    }

    /// Whether a key is there, of whatever kind and end.
    pub fn has_key(&self, key: &[u8]) -> bool {
        self.stack().host().keyspace.borrow().get(key).is_some()
    }

    /// Runs a command as the script's own: it counts towards the budget, and is undone with the call. There is one reply: a
    /// second command cannot be run while it is held.
    ///
    /// # Errors
    /// A budget is spent, or the store is full; what else the command itself says is in the reply.
    pub fn command(&self, arguments: &[&[u8]]) -> Result<Ref<'_, ReplyBuffer>, Raised> {
        let reply = &self.stack().host().reply;
        let mut written = reply.borrow_mut();
        written.clear();
        redis::execute(self.stack(), arguments, &mut written);
        let is_refused = written.is_failure(&Failure::FULL);
        drop(written);
        if is_refused {
            return Err(self.error(format_args!("{}", Failure::FULL.text())));
        }
        self.make_room();
        self.stack().spend(redis::COMMAND_COST)?;
        Ok(reply.borrow())
    }
}
