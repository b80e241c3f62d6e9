//! For whom an event is.

use std::sync::Arc;

use smol_str::SmolStr;

/// For whom an event is that is not for everybody in the room. Whoever it names and is not in the room gets nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Audience {
    /// These users alone.
    Users(Users),
    /// Everybody but these.
    AllBut(Users),
}

/// Some users' ids, each once. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Users(Arc<[SmolStr]>);

impl Audience {
    /// One user.
    pub fn user(user_id: &str) -> Self {
        Self::Users(Users(Arc::new([user_id.into()])))
    }

    /// About how much memory it takes, in bytes.
    pub fn bytes(&self) -> usize {
        let (Self::Users(users) | Self::AllBut(users)) = self;
        users.iter().map(|user_id| size_of::<SmolStr>() + user_id.len()).sum()
    }

    /// Whether the event is for this user.
    pub fn includes(&self, user_id: &str) -> bool {
        match self {
            Self::Users(users) => users.contains(user_id),
            Self::AllBut(users) => !users.contains(user_id),
        }
    }
}

impl Users {
    /// Whether it is one of them.
    pub fn contains(&self, user_id: &str) -> bool {
        self.0.binary_search_by(|known| known.as_str().cmp(user_id)).is_ok()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &SmolStr> {
        self.0.iter()
    }
}

impl FromIterator<SmolStr> for Users {
    fn from_iter<I: IntoIterator<Item = SmolStr>>(ids: I) -> Self {
        let mut ids: Vec<SmolStr> = ids.into_iter().collect();
        ids.sort_unstable();
        ids.dedup();
        Self(ids.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_audience_is_those_named_or_all_others() {
        let named: Users = ["9", "10", "9", "guest:a"].into_iter().map(SmolStr::new).collect();
        assert_eq!(named.iter().map(SmolStr::as_str).collect::<Vec<_>>(), ["10", "9", "guest:a"]);
        for (user_id, is_named) in [("9", true), ("10", true), ("guest:a", true), ("1", false), ("", false)] {
            assert_eq!(Audience::Users(named.clone()).includes(user_id), is_named, "{user_id}");
            assert_eq!(Audience::AllBut(named.clone()).includes(user_id), !is_named, "{user_id}");
        }
    }
}
