//! The five kinds of value, and how a command asks for one of them.

use std::collections::VecDeque;

use super::index_map::IndexMap;
use super::small_bytes::SmallBytes;
use super::sorted_set::SortedSet;

/// Fields to values.
pub type Hash = IndexMap<SmallBytes>;

/// Members without order.
pub type Set = IndexMap<()>;

/// Elements from head to tail.
pub type List = VecDeque<SmallBytes>;

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
        }
    };
}

boxed_kind!(Hash, Hash, Hash::new);
boxed_kind!(Set, Set, Set::new);
boxed_kind!(SortedSet, SortedSet, SortedSet::new);
boxed_kind!(List, List, |_| List::new());

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
}
