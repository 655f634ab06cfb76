//! Finding out that everything a server had at some moment is here.
//!
//! A pong says that the server has read the ping, but parts of its stream may have been on their way
//! before. So a round has two pings. What comes after the first pong was made after the moment; if
//! nothing comes until the second, which is sent when nothing is on its way, there is nothing. One
//! part is enough to know how far the server is, so that a round ends though writes go on there.

use std::collections::VecDeque;

use crate::version::Etag;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Waits for the pong of the first ping.
    First { ping: u64 },
    /// Waits until nothing is on its way, to ping again.
    Settling,
    /// Waits for the pong of the second ping, or a part.
    Second { ping: u64 },
    /// Waits until everything up to an etag is taken in.
    UpTo(Etag),
    /// Everything is here.
    Done,
}

/// The rounds of a connection, oldest first, and its pings.
#[derive(Debug, Default)]
pub(super) struct SyncRounds {
    sent: u64,
    heard: u64,
    asked: u64,
    open: VecDeque<Stage>,
}

impl SyncRounds {
    /// Notes that a ping is sent.
    pub(super) fn on_ping(&mut self) -> u64 {
        self.sent += 1;
        self.sent
    }

    /// Begins a round with a ping, which is to be sent; answers the round's number.
    pub(super) fn begin(&mut self) -> u64 {
        let ping = self.on_ping();
        self.asked += 1;
        self.open.push_back(Stage::First { ping });
        self.asked
    }

    /// Up to which round everything is known to be here.
    pub(super) fn done(&self) -> u64 {
        self.asked - self.open.len() as u64
    }

    /// Follows a pong; answers whether to ping. `is_idle` says that no part is being taken in.
    pub(super) fn on_pong(&mut self, is_idle: bool) -> bool {
        self.heard += 1;
        let heard = self.heard;
        for stage in &mut self.open {
            *stage = match *stage {
                Stage::First { ping } if ping <= heard => Stage::Settling,
                Stage::Second { ping } if ping <= heard => Stage::Done,
                other => other,
            };
        }
        self.settle(is_idle)
    }

    /// Follows a part that came in: how far the server was when it made it.
    pub(super) fn on_part(&mut self, last_etag: Etag) {
        for stage in &mut self.open {
            if matches!(stage, Stage::Settling | Stage::Second { .. }) {
                *stage = Stage::UpTo(last_etag);
            }
        }
    }

    /// Follows a part that is taken in whole; answers whether to ping.
    pub(super) fn on_applied(&mut self, up_to: Etag) -> bool {
        for stage in &mut self.open {
            if matches!(stage, Stage::UpTo(etag) if *etag <= up_to) {
                *stage = Stage::Done;
            }
        }
        if self.settle(true) {
            return true;
        }
        // What the edge does not see passes without a word, unless it asks.
        let is_behind = self.open.iter().any(|it| matches!(it, Stage::UpTo(_)));
        if is_behind {
            self.on_ping();
        }
        is_behind
    }

    fn settle(&mut self, is_idle: bool) -> bool {
        while self.open.front() == Some(&Stage::Done) {
            self.open.pop_front();
        }
        if !is_idle || !self.open.contains(&Stage::Settling) {
            return false;
        }
        let ping = self.on_ping();
        for stage in &mut self.open {
            if *stage == Stage::Settling {
                *stage = Stage::Second { ping };
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_server_is_pinged_twice() {
        let mut rounds = SyncRounds::default();
        assert_eq!((rounds.begin(), rounds.done()), (1, 0));
        assert!(rounds.on_pong(true));
        assert_eq!(rounds.done(), 0);
        assert!(!rounds.on_pong(true));
        assert_eq!(rounds.done(), 1);
    }

    #[test]
    fn the_pong_of_an_earlier_ping_says_nothing() {
        let mut rounds = SyncRounds::default();
        rounds.on_ping();
        rounds.begin();
        assert!(!rounds.on_pong(true));
        assert!(rounds.on_pong(true));
        assert!(!rounds.on_pong(true));
        assert_eq!(rounds.done(), 1);
    }

    #[test]
    fn what_was_on_its_way_is_taken_in_before_the_second_ping() {
        let mut rounds = SyncRounds::default();
        rounds.begin();
        rounds.on_part(Etag::new(5));
        assert!(!rounds.on_pong(false));
        assert!(rounds.on_applied(Etag::new(5)));
        assert!(!rounds.on_pong(true));
        assert_eq!(rounds.done(), 1);
    }

    #[test]
    fn a_part_after_the_pong_says_how_far_to_go_however_much_follows() {
        let mut rounds = SyncRounds::default();
        rounds.begin();
        assert!(rounds.on_pong(true));
        rounds.on_part(Etag::new(7));
        assert!(rounds.on_applied(Etag::new(6)), "it asks for the rest");
        rounds.on_part(Etag::new(9));
        assert!(!rounds.on_pong(false));
        assert!(!rounds.on_pong(false));
        assert_eq!(rounds.done(), 0);
        assert!(!rounds.on_applied(Etag::new(8)));
        assert_eq!(rounds.done(), 1);
    }

    #[test]
    fn rounds_end_in_their_order() {
        let mut rounds = SyncRounds::default();
        rounds.begin();
        assert!(rounds.on_pong(true));
        assert_eq!(rounds.begin(), 2);
        assert!(!rounds.on_pong(true));
        assert_eq!(rounds.done(), 1);
        assert!(rounds.on_pong(true));
        assert!(!rounds.on_pong(true));
        assert_eq!(rounds.done(), 2);
    }
}
