//! Ledgers: accounts of whole numbers, each change of which is an entry that is kept for good. An account is a document whose value
//! holds the balances. These are the rules, the same for scripts and managers; nothing here knows a store, a script or a clock.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Address, UnfitValue, check_value};

/// Whole numbers by the names of items.
pub type Amounts = BTreeMap<Box<str>, i64>;

/// The highest balance and change, and with a minus the lowest: as far as Lua counts without gaps.
pub const MAX_AMOUNT: i64 = 1 << 53;
/// Most items of one change.
pub const MAX_ITEMS: usize = 32;
/// Longest name of an item, in bytes.
pub const MAX_ITEM_BYTES: usize = 64;
/// Longest reason, in bytes.
pub const MAX_REASON_BYTES: usize = 1024;
/// Longest key of an entry, in bytes.
pub const MAX_ENTRY_KEY_BYTES: usize = 128;
/// How many keys of its latest entries an account has at hand.
pub const MAX_RECENT_KEYS: usize = 64;
/// How many bytes these may take with what belongs to them.
pub const MAX_RECENT_BYTES: usize = 16 * 1024;
/// How long a key is at hand at most, in milliseconds.
pub const MAX_RECENT_MS: u64 = 7 * 24 * 3600 * 1000;

/// What is to become of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    changes: Amounts,
    reason: Box<str>,
    key: Option<Box<str>>,
    may_be_negative: MayBeNegative,
}

/// Which balances a change may leave below 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MayBeNegative {
    /// None.
    #[default]
    Nothing,
    /// These items'.
    Items(Vec<Box<str>>),
    /// Any.
    Everything,
}

/// A change that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// The version that the account has had since.
    pub version: u64,
    /// What makes a second change of the same key a repetition of this one.
    pub key: Option<Box<str>>,
    /// What was added to the balances.
    pub changes: Amounts,
    /// The balances of these items after it.
    pub balances: Amounts,
    /// 1 to [`MAX_REASON_BYTES`] bytes.
    pub reason: Box<str>,
    /// When, in milliseconds since the Unix epoch, by the clock of the store that did so.
    pub at_ms: u64,
}

impl LedgerEntry {
    /// Whether a ledger can have made it.
    pub fn is_fit(&self) -> bool {
        let change =
            Change::new(self.changes.clone(), &self.reason, self.key.as_deref(), MayBeNegative::Nothing);
        let are_same = self.balances.keys().eq(self.changes.keys());
        change.is_ok()
            && are_same
            && self.balances.values().all(|balance| is_within(*balance))
            && self.version > 0
    }

    /// Bytes of its texts, about.
    pub fn bytes(&self) -> usize {
        let amounts = |amounts: &Amounts| amounts.keys().map(|item| item.len() + 16).sum::<usize>();
        let key = self.key.as_ref().map_or(0, |key| key.len());
        self.reason.len() + key + amounts(&self.changes) + amounts(&self.balances)
    }
}

/// Whether a text is what [`super::Document::recent_keys`] may be.
pub fn are_recent_keys(json: &str) -> bool {
    json.len() <= MAX_RECENT_BYTES && serde_json::from_str::<Vec<RecentKey>>(json).is_ok()
}

/// An entry by whose key a repetition is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecentKey {
    #[serde(rename = "k")]
    key: Box<str>,
    #[serde(rename = "v")]
    version: u64,
    #[serde(rename = "t")]
    at_ms: u64,
    #[serde(rename = "c")]
    changes: Amounts,
    #[serde(rename = "b")]
    balances: Amounts,
}

/// An account as it is found.
#[derive(Clone, Copy, Debug, Default)]
pub struct Account<'a> {
    /// The document's version.
    pub version: u64,
    /// The balances as JSON; none if there is no such document.
    pub value: Option<&'a str>,
    /// [`super::Document::recent_keys`].
    pub recent_keys: Option<&'a str>,
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is made; nothing is written yet.
    Made {
        /// The balances, as JSON.
        value: Box<str>,
        /// The keys at hand, as JSON.
        recent_keys: Box<str>,
        /// What is kept of it.
        entry: LedgerEntry,
    },
    /// It was made before.
    Repeated {
        /// The version that the account had after it.
        version: u64,
        /// The balances that its items had after it.
        balances: Amounts,
    },
}

/// Why a change is not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadChange {
    /// It is no table of items, or an empty one.
    NoChanges,
    /// More than [`MAX_ITEMS`].
    TooManyItems,
    /// A name that no item can have.
    Item,
    /// What is added to this item is no whole number within the limits.
    NotWhole(Box<str>),
    /// No reason, or one that is too long.
    Reason,
    /// A key that is no key.
    Key,
    /// `allow_negative` is neither true nor a list of items.
    AllowNegative,
    /// The document was not made by a ledger.
    NotAnAccount(Address),
    /// The key belongs to an entry with other changes.
    OtherChanges(Address, Box<str>),
    /// A balance would be below 0.
    Insufficient {
        /// The account.
        address: Address,
        /// Of which item.
        item: Box<str>,
        /// How many there are.
        balance: i64,
        /// How many are needed.
        needed: i64,
    },
    /// A balance would be beyond [`MAX_AMOUNT`].
    Beyond(Address, Box<str>),
    /// The account would be too large.
    Unfit(UnfitValue),
}

impl BadChange {
    /// The code that a call ends with for this; none if it is a mistake of the script.
    pub fn code(&self) -> Option<&'static str> {
        match self {
            Self::Insufficient { .. } => Some("insufficient"),
            Self::OtherChanges(..) => Some("conflict"),
            _ => None,
        }
    }
}

impl fmt::Display for BadChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoChanges => {
                write!(f, "changes of a ledger: a table of items, as in {{gold = -50}}, with one at least")
            }
            Self::TooManyItems => write!(f, "changes of a ledger have at most {MAX_ITEMS} items"),
            Self::Item => write!(
                f,
                "an item of a ledger is a text of 1 to {MAX_ITEM_BYTES} bytes without control characters"
            ),
            Self::NotWhole(item) => {
                write!(f, "the change of {item} must be a whole number from -{MAX_AMOUNT} to {MAX_AMOUNT}")
            }
            Self::Reason => write!(f, "the reason of a change is a text of 1 to {MAX_REASON_BYTES} bytes"),
            Self::Key => write!(
                f,
                "the key of a change is a text of 1 to {MAX_ENTRY_KEY_BYTES} bytes without control characters"
            ),
            Self::AllowNegative => {
                write!(f, "bad option allow_negative: true, or a list of at most {MAX_ITEMS} items")
            }
            Self::NotAnAccount(address) => {
                write!(f, "{address} is no account of a ledger: it was saved as a document")
            }
            Self::OtherChanges(address, key) => {
                write!(f, "the key {key} of {address} belongs to an entry with other changes")
            }
            Self::Insufficient { address, item, balance, needed } => {
                write!(f, "{address} has {balance} {item}, and {needed} are needed")
            }
            Self::Beyond(address, item) => {
                write!(f, "{address} would have more {item} than {MAX_AMOUNT}, or less than -{MAX_AMOUNT}")
            }
            Self::Unfit(unfit) => write!(f, "{unfit}"),
        }
    }
}

impl std::error::Error for BadChange {}

impl Change {
    /// A change within the limits.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(
        changes: Amounts,
        reason: &str,
        key: Option<&str>,
        may_be_negative: MayBeNegative,
    ) -> Result<Self, BadChange> {
        match changes.len() {
            0 => return Err(BadChange::NoChanges),
            1..=MAX_ITEMS => {}
            _ => return Err(BadChange::TooManyItems),
        }
        for (item, amount) in &changes {
            if !is_item(item) {
                return Err(BadChange::Item);
            }
            if !is_within(*amount) {
                return Err(BadChange::NotWhole(item.clone()));
            }
        }
        if !(1..=MAX_REASON_BYTES).contains(&reason.len()) {
            return Err(BadChange::Reason);
        }
        let is_key =
            |key: &str| (1..=MAX_ENTRY_KEY_BYTES).contains(&key.len()) && !key.chars().any(char::is_control);
        if !key.is_none_or(is_key) {
            return Err(BadChange::Key);
        }
        if let MayBeNegative::Items(items) = &may_be_negative
            && items.len() > MAX_ITEMS
        {
            return Err(BadChange::AllowNegative);
        }
        Ok(Self { changes, reason: reason.into(), key: key.map(Into::into), may_be_negative })
    }

    /// Makes the change to an account, as far as it is not made yet.
    ///
    /// # Errors
    /// The account does not allow it.
    pub fn apply(&self, address: &Address, account: Account<'_>, now_ms: u64) -> Result<Applied, BadChange> {
        let not_an_account = || BadChange::NotAnAccount(address.clone());
        let (mut all, recent): (Amounts, Vec<RecentKey>) = match (account.value, account.recent_keys) {
            (None, _) => Default::default(),
            (Some(_), None) => return Err(not_an_account()),
            (Some(value), Some(recent)) => {
                let read = (serde_json::from_str(value), serde_json::from_str(recent));
                let (Ok(all), Ok(recent)) = read else { return Err(not_an_account()) };
                (all, recent)
            }
        };
        if let Some(made) = recent.iter().find(|recent| self.key.as_ref() == Some(&recent.key)) {
            if made.changes != self.changes {
                return Err(BadChange::OtherChanges(address.clone(), made.key.clone()));
            }
            return Ok(Applied::Repeated { version: made.version, balances: made.balances.clone() });
        }
        let balances = self.balances_after(address, &all)?;
        for (item, &balance) in &balances {
            match balance {
                0 => drop(all.remove(item)),
                _ => drop(all.insert(item.clone(), balance)),
            }
        }
        let value = json(&all);
        check_value(&value).map_err(BadChange::Unfit)?;
        let entry = LedgerEntry {
            version: account.version + 1,
            key: self.key.clone(),
            changes: self.changes.clone(),
            balances,
            reason: self.reason.clone(),
            at_ms: now_ms,
        };
        let recent_keys = remember(recent, &entry, now_ms);
        Ok(Applied::Made { value, recent_keys, entry })
    }

    /// Of the items that change.
    fn balances_after(&self, address: &Address, all: &Amounts) -> Result<Amounts, BadChange> {
        let after = |item: &str, change: i64| {
            let balance = all.get(item).copied().unwrap_or_default();
            let after = balance.checked_add(change).filter(|after| is_within(*after));
            let after = after.ok_or_else(|| BadChange::Beyond(address.clone(), item.into()))?;
            // Who pays back a debt need not pay back all of it.
            if after < 0 && change < 0 && !self.allows_negative(item) {
                let (address, item) = (address.clone(), item.into());
                return Err(BadChange::Insufficient { address, item, balance, needed: -change });
            }
            Ok((item.into(), after))
        };
        self.changes.iter().map(|(item, &change)| after(item, change)).collect()
    }

    fn allows_negative(&self, item: &str) -> bool {
        match &self.may_be_negative {
            MayBeNegative::Nothing => false,
            MayBeNegative::Items(items) => items.iter().any(|allowed| **allowed == *item),
            MayBeNegative::Everything => true,
        }
    }
}

/// A change of an item that a script gives as a number.
pub fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() <= MAX_AMOUNT as f64).then_some(number as i64)
}

/// The keys at hand with that of an old entry put to the latest: it was asked for now.
pub(crate) fn remember_again(recent_keys: &str, entry: &LedgerEntry, now_ms: u64) -> Option<Box<str>> {
    let mut recent: Vec<RecentKey> = serde_json::from_str(recent_keys).ok()?;
    recent.retain(|known| Some(&known.key) != entry.key.as_ref());
    Some(remember(recent, entry, now_ms))
}

/// The keys at hand after an entry, the latest last. The oldest go as far as there are too many.
fn remember(mut recent: Vec<RecentKey>, entry: &LedgerEntry, now_ms: u64) -> Box<str> {
    recent.retain(|known| known.at_ms.saturating_add(MAX_RECENT_MS) >= now_ms);
    if let Some(key) = entry.key.clone() {
        let (changes, balances) = (entry.changes.clone(), entry.balances.clone());
        recent.push(RecentKey { key, version: entry.version, at_ms: now_ms, changes, balances });
    }
    let mut text = json(&recent);
    while recent.len() > MAX_RECENT_KEYS || (text.len() > MAX_RECENT_BYTES && recent.len() > 1) {
        recent.remove(0);
        text = json(&recent);
    }
    text
}

fn is_item(text: &str) -> bool {
    (1..=MAX_ITEM_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
}

fn is_within(amount: i64) -> bool {
    (-MAX_AMOUNT..=MAX_AMOUNT).contains(&amount)
}

/// Amounts and keys as JSON.
pub(super) fn json(value: &impl Serialize) -> Box<str> {
    serde_json::to_string(value).expect("texts and numbers can be written as JSON").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_800_000_000_000;

    fn amounts(list: &[(&str, i64)]) -> Amounts {
        list.iter().map(|(item, amount)| ((*item).into(), *amount)).collect()
    }

    fn address() -> Address {
        Address::parse("wallet/7").expect("valid")
    }

    fn change(list: &[(&str, i64)]) -> Change {
        Change::new(amounts(list), "a test", None, MayBeNegative::Nothing).expect("valid")
    }

    fn keyed(key: &str, list: &[(&str, i64)]) -> Change {
        Change { key: Some(key.into()), ..change(list) }
    }

    /// An account that changes are made to.
    #[derive(Default)]
    struct Book {
        version: u64,
        value: Option<Box<str>>,
        recent_keys: Option<Box<str>>,
    }

    impl Book {
        fn apply(&mut self, change: &Change, now_ms: u64) -> Result<Applied, BadChange> {
            let account = Account {
                version: self.version,
                value: self.value.as_deref(),
                recent_keys: self.recent_keys.as_deref(),
            };
            let applied = change.apply(&address(), account, now_ms)?;
            if let Applied::Made { value, recent_keys, entry } = &applied {
                self.version = entry.version;
                (self.value, self.recent_keys) = (Some(value.clone()), Some(recent_keys.clone()));
            }
            Ok(applied)
        }

        /// Makes a change; the balances, or what is wrong.
        #[track_caller]
        fn check(&mut self, change: &Change, expected: Result<&str, &str>) {
            let before = self.value.clone();
            match (self.apply(change, NOW_MS), expected) {
                (Ok(_), Ok(value)) => assert_eq!(self.value.as_deref(), Some(value)),
                (Err(error), Err(part)) => {
                    assert!(error.to_string().contains(part), "{error}");
                    assert_eq!(self.value, before);
                }
                (found, _) => panic!("{found:?}"),
            }
        }
    }

    #[test]
    fn balances_add_up_and_stay_above_0() {
        let mut book = Book::default();
        book.check(&change(&[("gold", 100)]), Ok(r#"{"gold":100}"#));
        book.check(&change(&[("gold", -60), ("sword", 1)]), Ok(r#"{"gold":40,"sword":1}"#));
        let short = "wallet/7 has 40 gold, and 41 are needed";
        book.check(&change(&[("sword", 1), ("gold", -41)]), Err(short));
        assert_eq!(book.apply(&change(&[("gold", -41)]), 0).unwrap_err().code(), Some("insufficient"));
        book.check(&change(&[("sword", -1)]), Ok(r#"{"gold":40}"#));
        let debt = |may_be_negative| Change { may_be_negative, ..change(&[("gold", -100)]) };
        book.check(&debt(MayBeNegative::Items(vec!["sword".into()])), Err("has 40 gold"));
        book.check(&debt(MayBeNegative::Items(vec!["gold".into()])), Ok(r#"{"gold":-60}"#));
        book.check(&debt(MayBeNegative::Everything), Ok(r#"{"gold":-160}"#));
        book.check(&change(&[("gold", 10)]), Ok(r#"{"gold":-150}"#));
        book.check(&change(&[("gold", -1)]), Err("has -150 gold"));
        book.check(&change(&[("gold", 150)]), Ok("{}"));
        assert_eq!(book.version, 7);
    }

    #[test]
    fn numbers_have_limits() {
        let mut book = Book::default();
        book.check(&change(&[("gold", MAX_AMOUNT)]), Ok(r#"{"gold":9007199254740992}"#));
        book.check(&change(&[("gold", 1)]), Err("would have more gold than 9007199254740992"));
        book.check(&change(&[("gold", -MAX_AMOUNT)]), Ok("{}"));
        let check = |number: f64, expected| assert_eq!(whole(number), expected, "{number}");
        check(-3.0, Some(-3));
        check(9007199254740992.0, Some(MAX_AMOUNT));
        check(9007199254740994.0, None);
        for wrong in [0.5, f64::NAN, f64::INFINITY, -1e300] {
            check(wrong, None);
        }
    }

    #[test]
    fn changes_have_limits() {
        #[track_caller]
        fn check(list: &[(&str, i64)], reason: &str, key: Option<&str>, part: &str) {
            let wrong = Change::new(amounts(list), reason, key, MayBeNegative::Nothing).unwrap_err();
            assert!(wrong.to_string().contains(part), "{wrong}");
            assert_eq!(wrong.code(), None);
        }
        let gold = &[("gold", 1)];
        check(&[], "x", None, "with one at least");
        check(&[("", 1)], "x", None, "1 to 64 bytes");
        check(&[("a\n", 1)], "x", None, "without control characters");
        check(&[(&"x".repeat(65), 1)], "x", None, "1 to 64 bytes");
        check(&[("gold", MAX_AMOUNT + 1)], "x", None, "change of gold must be a whole number");
        check(gold, "", None, "1 to 1024 bytes");
        check(gold, &"x".repeat(1025), None, "1 to 1024 bytes");
        for key in ["", "a\0", &"x".repeat(129)] {
            check(gold, "x", Some(key), "key of a change is a text of 1 to 128 bytes");
        }
        let many: Vec<String> = (0..33).map(|n| n.to_string()).collect();
        let many: Vec<(&str, i64)> = many.iter().map(|item| (item.as_str(), 1)).collect();
        check(&many, "x", None, "at most 32 items");
        Change::new(amounts(&many[..32]), &"x".repeat(1024), Some(&"x".repeat(128)), MayBeNegative::Nothing)
            .expect("as much as there may be");
    }

    #[test]
    fn what_is_sent_twice_counts_once() {
        let mut book = Book::default();
        book.check(&change(&[("gold", 100)]), Ok(r#"{"gold":100}"#));
        let buy = keyed("order 1", &[("gold", -30), ("sword", 1)]);
        let Ok(Applied::Made { entry, .. }) = book.apply(&buy, NOW_MS) else { panic!("made") };
        book.check(&change(&[("gold", -70)]), Ok(r#"{"sword":1}"#));
        let again = book.apply(&buy, NOW_MS).expect("repeated");
        assert_eq!(again, Applied::Repeated { version: 2, balances: entry.balances.clone() });
        assert_eq!(entry.balances, amounts(&[("gold", 70), ("sword", 1)]));
        assert_eq!((book.version, book.value.as_deref()), (3, Some(r#"{"sword":1}"#)));
        let other = book.apply(&keyed("order 1", &[("gold", -1)]), NOW_MS).unwrap_err();
        assert_eq!(other.code(), Some("conflict"));
        assert_eq!(other.to_string(), "the key order 1 of wallet/7 belongs to an entry with other changes");
    }

    #[test]
    fn keys_at_hand_are_bounded() {
        let mut book = Book::default();
        let once = |number: usize| keyed(&number.to_string(), &[("gold", 1)]);
        for number in 0..=MAX_RECENT_KEYS {
            book.apply(&once(number), NOW_MS).expect("made");
        }
        let is_known = |book: &mut Book, number| {
            matches!(book.apply(&once(number), NOW_MS), Ok(Applied::Repeated { .. }))
        };
        assert!(is_known(&mut book, 1) && !is_known(&mut book, 0));
        // By age, when something changes.
        let later = NOW_MS + MAX_RECENT_MS + 1;
        assert!(matches!(book.apply(&once(64), later), Ok(Applied::Repeated { .. })));
        book.apply(&change(&[("gold", 1)]), later).expect("made");
        assert_eq!(book.recent_keys.as_deref(), Some("[]"));
        // By bytes.
        let long: Vec<String> = (0..MAX_ITEMS).map(|n| format!("{n:0>64}")).collect();
        let long: Vec<(&str, i64)> = long.iter().map(|item| (item.as_str(), 1 << 40)).collect();
        for number in 0..5 {
            book.apply(&keyed(&format!("long {number}"), &long), later).expect("made");
        }
        let kept: Vec<RecentKey> = serde_json::from_str(book.recent_keys.as_deref().unwrap()).unwrap();
        assert_eq!(kept.iter().map(|known| &*known.key).collect::<Vec<_>>(), ["long 2", "long 3", "long 4"]);
    }

    #[test]
    fn an_old_key_comes_back_to_hand() {
        let mut book = Book::default();
        let Ok(Applied::Made { entry, .. }) = book.apply(&keyed("old", &[("gold", 5)]), NOW_MS) else {
            panic!("made")
        };
        book.apply(&change(&[("gold", 1)]), NOW_MS + 2 * MAX_RECENT_MS).expect("made");
        assert_eq!(book.recent_keys.as_deref(), Some("[]"));
        book.recent_keys = remember_again("[]", &entry, NOW_MS + 2 * MAX_RECENT_MS);
        let again = book.apply(&keyed("old", &[("gold", 5)]), NOW_MS + 3 * MAX_RECENT_MS);
        assert_eq!(again, Ok(Applied::Repeated { version: 1, balances: amounts(&[("gold", 5)]) }));
    }

    #[test]
    fn a_plain_document_is_no_account() {
        let plain = Account { version: 1, value: Some(r#"{"gold":1}"#), recent_keys: None };
        let broken = Account { version: 1, value: Some(r#"{"gold":"x"}"#), recent_keys: Some("[]") };
        for account in [plain, broken] {
            let refused = change(&[("gold", 1)]).apply(&address(), account, 0).unwrap_err();
            assert_eq!(refused, BadChange::NotAnAccount(address()));
        }
    }
}
