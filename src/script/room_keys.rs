//! The keys that end with their room, as headers declare them: those of the room, and those of a user in it.

use std::sync::{Arc, LazyLock};

use super::{KeyPattern, Script};

/// The key that says how long a room lasts, by its expiry: a room's other keys end with it.
const HEAD: &str = "game:{room}";
/// What `godra.state` works on, whether a header names it or not.
static STATE: LazyLock<KeyPattern> =
    LazyLock::new(|| KeyPattern::parse("game:{room}:state").expect("it is a good pattern"));

/// What ends with a room, each pattern once: neither what has the word `keep` nor the room's head.
#[derive(Clone, Debug, Default)]
pub struct RoomKeys {
    /// Those of the room.
    pub shared: Vec<KeyPattern>,
    /// Those of one user in it.
    pub of_users: Vec<KeyPattern>,
}

/// What these scripts have for a room that ends with it.
pub(super) fn room_keys<'a>(scripts: impl IntoIterator<Item = &'a Arc<Script>> + Clone) -> RoomKeys {
    let kept: Vec<String> =
        scripts.clone().into_iter().flat_map(|script| &script.header.kept_keys).map(in_room).collect();
    let mut found: Vec<(String, &KeyPattern)> = scripts
        .into_iter()
        .flat_map(|script| &script.header.keys)
        .chain([&*STATE])
        .filter(|key| key.names_room())
        .map(|key| (in_room(key), key))
        .filter(|(text, _)| text != HEAD && !kept.contains(text))
        .collect();
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found.dedup_by(|(one, _), (other, _)| one == other);
    let found = found.into_iter().map(|(_, key)| key.clone());
    let (of_users, shared) = found.partition(KeyPattern::names_user);
    RoomKeys { shared, of_users }
}

/// A new room is a room, too, and an account that a guest has become a user.
fn in_room(key: &KeyPattern) -> String {
    key.fill("{room}", "{user}").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Header;

    fn script(header: &str) -> Arc<Script> {
        Arc::new(Script::new("a", "a.lua", header, Header::parse("a", header).unwrap()))
    }

    #[test]
    fn keys_of_rooms_are_gathered_once_but_for_those_that_are_kept() {
        let scripts = [
            script("-- KEYS: game:{room}, game:{room}:items, lobbies, best:{room}, hand:{room}:{user}"),
            script("-- KEYS: game:{new}, game:{new}:items, log:{new}:1"),
            script("-- KEYS: best:{room} keep, bag:{user}:{room}, user:{user}, luck:{room}:{user} keep"),
            script("-- KEYS: luck:{new}:{user}, hand:{new}:{user}"),
        ];
        let RoomKeys { shared, of_users } = room_keys(&scripts);
        let fill = |keys: Vec<KeyPattern>| keys.iter().map(|key| key.fill("7", "u")).collect::<Vec<_>>();
        assert_eq!(fill(shared), ["game:7:items", "game:7:state", "log:7:1"].map(Box::from));
        assert_eq!(fill(of_users), ["bag:u:7", "hand:7:u"].map(Box::from));
    }
}
