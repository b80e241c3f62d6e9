//! What the small server does wrong.

/// What the server does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// One event is not delivered to one member.
    Drop,
    /// One event is delivered twice to one member.
    Double,
    /// Two events change places for one member.
    Reorder,
    /// An event of another room is delivered in place of one, under its number.
    Leak,
    LoseInput,
    /// One input is carried out twice.
    RepeatInput,
    /// One input comes back with the content of another.
    AlterInput,
    /// A batch lacks a bracket.
    BrokenBatch,
    /// A batch nests another.
    NestedBatch,
    /// A frame is masked.
    MaskedFrame,
    NoWelcome,
    /// The welcome is for another room.
    WrongWelcome,
    /// The welcome's number is one too low.
    LowWelcome,
    /// An event has no number.
    NoSeq,
    /// A connection ends without reason.
    Cut,
    /// A connection is closed with a code.
    Kick,
    /// The upgrade's accept key is wrong.
    WrongAccept,
    /// Upgrades are answered with 503.
    Full,
    /// Logins are answered with 429.
    LimitLogins,
    /// Whoever does not read is kept for ever.
    KeepSlow,
    /// Each third input is refused with an error, which is no fault in itself.
    Busy,
    /// A quarter of the flushes replaces its events by a snapshot, which is no fault in itself.
    Snapshots,
    /// Answers come late: not a fault, but slow.
    Late,
    /// Who comes back gets the whole state, which is no fault in itself.
    Forgetful,
    /// Who comes back is refused twice, which is no fault in itself.
    RefuseReturns,
    /// Who comes back is refused, always.
    RefuseAllReturns,
    /// Who comes back does not get the first event that it missed.
    GapOnReturn,
    /// Who comes back gets the last event that it missed twice.
    DoubleOnReturn,
    /// Who comes back gets nothing of what it missed, and nothing happens after that.
    NothingOnReturn,
    /// Who comes back is told that it was where the room is.
    WrongSince,
    /// Who comes back gets what it missed, as events of another epoch.
    WrongEpoch,
    /// Who comes back gets what it missed, and the state besides.
    StateOnReturn,
    /// Who comes back gets the state of a time before it left.
    OldState,
    /// Each fourth numbered input is refused at first, and those behind it; no fault in itself.
    PutOff,
    /// Each fourth numbered input runs, is answered as one that did not, and runs again when it is sent again.
    RunAgain,
    /// One numbered input is noted twice.
    NoteTwice,
    /// One numbered input is answered, and did not run.
    AnswerOnly,
    /// A numbered input that fails leaves what it wrote before.
    LeaveTraces,
    /// A numbered input that fails leaves what it published before.
    PublishTraces,
    /// The welcome of somebody who comes back tells a number that is too low.
    ForgetNumbers,
    /// The answer to a heartbeat tells of an event that was not sent.
    HeartbeatAhead,
    /// One save that was answered is not kept.
    LoseSave,
    /// One save counts twice.
    SaveTwice,
    /// One ringing of a timer is left out.
    LoseTimer,
    /// One timer rings once more.
    RingTwice,
    /// There are accounts, which is no fault in itself.
    Accounts,
    /// The same, and all are refused with 503 and 429 before they are registered, which is no fault in itself.
    BusyAccounts,
    /// The same, and each second login is refused with 503, after which the connection ends: no fault in itself.
    BusyLogins,
    /// The same, and one login is never answered.
    SilentLogin,
    /// The same, and one login gets no token.
    NoToken,
    /// The same, and one login is answered with 500.
    BrokenLogin,
    /// The same, and the connection of one login ends without an answer.
    CutLogin,
}

impl Fault {
    pub(super) fn has_accounts(self) -> bool {
        use Fault::{Accounts, BrokenLogin, BusyAccounts, BusyLogins, CutLogin, NoToken, SilentLogin};
        matches!(self, Accounts | BusyAccounts | BusyLogins | SilentLogin | NoToken | BrokenLogin | CutLogin)
    }
}
