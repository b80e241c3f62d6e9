/// The game is done.
const closedNormally = 1000;

/// Stands for an end without a close frame.
const closedBroken = 1006;

/// This client gives up a connection, and comes back by another one.
const closedToComeBack = 4000;

/// The token is void.
const closedTokenExpired = 4001;

/// Kept out.
const closedBanned = 4501;

const _goingAway = 1001;
const _noStatus = 1005;
const _rateLimited = 4003;

/// Whether a client comes back after this code, known or not.
bool comesBackAfter(int code) => switch (code) {
      _goingAway || _noStatus || closedBroken => true,
      >= 1011 && <= 1014 => true,
      >= 4000 && <= 4499 => true,
      _ => false,
    };

/// Whether the server closed many at once, or this one for haste: then nobody comes back at once.
bool isGentle(int code) => code == _goingAway || code == _rateLimited;
