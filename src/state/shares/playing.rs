//! Who plays. No clock here: time is passed in.

use std::time::{Duration, Instant};

use crate::wire::ids::NetworkId;

/// For how long after a call of theirs others are taken to play.
const AT_PLAY: Duration = Duration::from_secs(1);

/// The last two networks of which somebody played, the later one first; of this machine, and through proxies that do not say whom they
/// serve, None.
#[derive(Debug, Default)]
pub(crate) struct Playing([Option<(Option<NetworkId>, Instant)>; 2]);

impl Playing {
    /// Somebody of a network plays.
    pub(crate) fn note(&mut self, network: Option<NetworkId>, now: Instant) {
        if self.0[0].is_none_or(|(last, _)| last != network) {
            self.0[1] = self.0[0];
        }
        self.0[0] = Some((network, now));
    }

    /// Whether somebody plays who is not of this network.
    pub(crate) fn has_others(&self, network: Option<NetworkId>, now: Instant) -> bool {
        let plays = |(who, at): &(Option<NetworkId>, Instant)| {
            *who != network && now.saturating_duration_since(*at) < AT_PLAY
        };
        self.0.iter().flatten().any(plays)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_alone_has_no_others() {
        let now = Instant::now();
        let [one, other] = [7, 8].map(|last| Some(NetworkId::of([203, 0, 113, last].into())));
        let mut playing = Playing::default();
        assert!(!playing.has_others(one, now));
        playing.note(one, now);
        playing.note(one, now);
        assert!(
            !playing.has_others(one, now) && playing.has_others(other, now) && playing.has_others(None, now)
        );
        playing.note(None, now);
        playing.note(None, now + AT_PLAY / 2);
        assert!(playing.has_others(one, now) && playing.has_others(None, now));
        assert!(!playing.has_others(None, now + AT_PLAY), "the other has gone");
        assert!(playing.has_others(one, now + AT_PLAY));
        playing.note(one, now + AT_PLAY);
        assert!(playing.has_others(None, now + AT_PLAY) && playing.has_others(one, now + AT_PLAY));
        assert!(!playing.has_others(one, now + 2 * AT_PLAY));
    }
}
