//! The five kinds of value, and how a command asks for one of them.

use super::index_map::IndexMap;
use super::list::List;
use super::memory::block;
use super::small_bytes::SmallBytes;
use super::sorted_set::SortedSet;

/// Fields to values.
pub type Hash = IndexMap<SmallBytes>;

/// Members without order.
pub type Set = IndexMap<()>;

/// What a key holds. Collections are never empty: their key goes with their last element.
#[derive(Clone, Debug)]
pub enum Value {
    /// Any bytes, at most 512 MB.
    String(Vec<u8>),
    /// Fields to values.
    Hash(Box<Hash>),
    /// Members without order.
    Set(Box<Set>),
    /// Members by score.
    SortedSet(Box<SortedSet>),
    /// Elements from head to tail.
    List(Box<List>),
}

impl Value {
    /// What `TYPE` says.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::String(_) => "string",
            Self::Hash(_) => "hash",
            Self::Set(_) => "set",
            Self::SortedSet(_) => "zset",
            Self::List(_) => "list",
        }
    }

    /// Its elements, fields or members; a string is one.
    pub(super) fn elements(&self) -> usize {
        match self {
            Self::String(_) => 1,
            Self::Hash(value) => value.len(),
            Self::Set(value) => value.len(),
            Self::SortedSet(value) => value.len(),
            Self::List(value) => value.len(),
        }
    }

    /// Bytes allocated for it.
    pub fn allocated_bytes(&self) -> usize {
        match self {
            Self::String(value) => Kind::allocated_bytes(value),
            Self::Hash(value) => Kind::allocated_bytes(&**value),
            Self::Set(value) => Kind::allocated_bytes(&**value),
            Self::SortedSet(value) => Kind::allocated_bytes(&**value),
            Self::List(value) => Kind::allocated_bytes(&**value),
        }
    }
}

impl Value {
    /// The same as [`Value::allocated_bytes`], counted anew.
    pub(super) fn recount(&self) -> usize {
        match self {
            Self::String(value) => block(value.capacity()),
            Self::Hash(value) => block(size_of::<Hash>()) + value.recount(),
            Self::Set(value) => block(size_of::<Set>()) + value.recount(),
            Self::SortedSet(value) => block(size_of::<SortedSet>()) + value.recount(),
            Self::List(value) => block(size_of::<List>()) + value.recount(),
        }
    }
}

/// One kind of [`Value`], for typed access.
pub trait Kind: Sized {
    /// The value, if it is of this kind.
    fn of(value: &Value) -> Option<&Self>;
    /// The value to be changed, if it is of this kind.
    fn of_mut(value: &mut Value) -> Option<&mut Self>;
    /// An empty one; tables in it hash under `seed`.
    fn empty(seed: u64) -> Self;
    /// As a value of any type.
    fn into_value(self) -> Value;
    /// Whether a key must not hold it any more. An empty string is a value, an empty collection is not.
    fn is_gone(&self) -> bool;
    /// Bytes allocated for it as a key's value.
    fn allocated_bytes(&self) -> usize;
}

macro_rules! boxed_kind {
    ($kind:ty, $variant:ident, $empty:expr) => {
        impl Kind for $kind {
            fn of(value: &Value) -> Option<&Self> {
                if let Value::$variant(inner) = value { Some(inner) } else { None }
            }

            fn of_mut(value: &mut Value) -> Option<&mut Self> {
                if let Value::$variant(inner) = value { Some(inner) } else { None }
            }

            fn empty(seed: u64) -> Self {
                $empty(seed)
            }

            fn into_value(self) -> Value {
                Value::$variant(Box::new(self))
            }

            fn is_gone(&self) -> bool {
                self.is_empty()
            }

            fn allocated_bytes(&self) -> usize {
                block(size_of::<Self>()) + <$kind>::allocated_bytes(self)
            }
        }
    };
}

boxed_kind!(Hash, Hash, Hash::new);
boxed_kind!(Set, Set, Set::new);
boxed_kind!(SortedSet, SortedSet, SortedSet::new);
boxed_kind!(List, List, |_| List::default());

impl Kind for Vec<u8> {
    fn of(value: &Value) -> Option<&Self> {
        if let Value::String(inner) = value { Some(inner) } else { None }
    }

    fn of_mut(value: &mut Value) -> Option<&mut Self> {
        if let Value::String(inner) = value { Some(inner) } else { None }
    }

    fn empty(_: u64) -> Self {
        Vec::new()
    }

    fn into_value(self) -> Value {
        Value::String(self)
    }

    fn is_gone(&self) -> bool {
        false
    }

    fn allocated_bytes(&self) -> usize {
        block(self.capacity())
    }
}
