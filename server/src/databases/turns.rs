//! Whose turn it is to index: as many steps run at once as the machine has cores, and priorities
//! share them out.
//!
//! Stride scheduling: each index has a mark that moves on with every turn, a shorter way the higher
//! its priority; the lowest mark is next. So all that want turns get them, in shares of 4 (high) to
//! 2 (normal) to 1 (low), and one that had nothing to do for long saves nothing up. A step that takes
//! very long, as with a function that does not end, holds up nobody: its turn counts no more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pinyon_core::indexes::Priority;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// After this long a turn does not hold up others.
const LONGEST: Duration = Duration::from_secs(1);

/// The turns of a server.
pub struct Turns {
    state: Mutex<State>,
}

struct State {
    free: usize,
    /// By mark, and then in the order in which they came.
    waiting: BTreeMap<(u64, u64), oneshot::Sender<Turn>>,
    /// The mark of the newest turn.
    mark: u64,
    next_number: u64,
    /// When the turns under way began, by number.
    running: BTreeMap<u64, Instant>,
}

/// A place in the line; each index has one.
pub struct Place {
    turns: Arc<Turns>,
    mark: u64,
}

/// A turn; it ends when it is dropped.
pub struct Turn {
    /// Taken when another one follows.
    turns: Option<Arc<Turns>>,
    number: u64,
}

impl Turns {
    /// As many turns at once as `count`.
    pub fn new(count: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                free: count.max(1),
                waiting: BTreeMap::new(),
                mark: 0,
                next_number: 0,
                running: BTreeMap::new(),
            }),
        })
    }

    /// A new place.
    pub fn place(self: &Arc<Self>) -> Place {
        Place {
            turns: Arc::clone(self),
            mark: 0,
        }
    }

    /// Gives free turns to those who wait for them.
    fn hand_out(self: &Arc<Self>) {
        loop {
            let (number, next) = {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                if state.free == 0 {
                    return;
                }
                let Some(((mark, number), next)) = state.waiting.pop_first() else {
                    return;
                };
                state.free -= 1;
                state.mark = state.mark.max(mark);
                state.running.insert(number, Instant::now());
                (number, next)
            };
            let turns = Some(Arc::clone(self));
            // Who waits no more gives the turn back by dropping it.
            let _ = next.send(Turn { turns, number });
        }
    }
}

impl Turns {
    /// Lets others go while turns take longer than [`LONGEST`].
    fn pass_overdue(self: &Arc<Self>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let before = state.running.len();
        state.running.retain(|_, began| began.elapsed() < LONGEST);
        state.free += before - state.running.len();
        drop(state);
        self.hand_out();
    }
}

fn stride(priority: Priority) -> u64 {
    match priority {
        Priority::High => 1,
        Priority::Normal => 2,
        Priority::Low => 4,
    }
}

impl Place {
    /// Waits for a turn. Whoever has more to do hands in the turn that it `held`, so that it stands
    /// in line before that one ends.
    pub async fn turn(&mut self, priority: Priority, held: Option<Turn>) -> Turn {
        let coming = {
            let state = self.turns.state.lock();
            let mut state = state.unwrap_or_else(PoisonError::into_inner);
            self.mark = self.mark.max(state.mark) + stride(priority);
            let number = state.next_number;
            state.next_number += 1;
            let (sender, coming) = oneshot::channel();
            state.waiting.insert((self.mark, number), sender);
            coming
        };
        drop(held);
        self.turns.hand_out();
        let mut coming = coming;
        loop {
            match tokio::time::timeout(LONGEST, &mut coming).await {
                Ok(Ok(turn)) => return turn,
                // The sender is kept until it is used; without one nobody is held up.
                Ok(Err(_)) => {
                    return Turn {
                        turns: None,
                        number: 0,
                    };
                }
                Err(_) => self.turns.pass_overdue(),
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = self.turns.take() {
            let mut state = turns.state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.running.remove(&self.number).is_some() {
                state.free += 1;
            }
            drop(state);
            turns.hand_out();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Indexes that always have something to do share turns by their priorities.
    #[tokio::test]
    async fn shares_follow_priorities() {
        let turns = Turns::new(1);
        let took = Arc::new(Mutex::new(Vec::new()));
        let first = turns.place().turn(Priority::Normal, None).await;
        let mut tasks = Vec::new();
        for priority in [Priority::Low, Priority::Normal, Priority::High] {
            let (mut place, took) = (turns.place(), Arc::clone(&took));
            tasks.push(tokio::spawn(async move {
                let mut held = None;
                for _ in 0..100 {
                    held = Some(place.turn(priority, held.take()).await);
                    took.lock().unwrap().push(priority);
                }
            }));
        }
        // Until all of them wait.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        drop(first);
        for task in tasks {
            task.await.unwrap();
        }
        let took = took.lock().unwrap();
        assert_eq!(took.len(), 300, "nobody starves");
        let count = |priority| took[..140].iter().filter(|it| **it == priority).count();
        let shares = [Priority::High, Priority::Normal, Priority::Low].map(count);
        assert!(
            (75..=85).contains(&shares[0]) && (35..=45).contains(&shares[1]),
            "{shares:?}"
        );
    }

    #[tokio::test]
    async fn a_turn_without_end_holds_up_nobody() {
        let turns = Turns::new(1);
        let endless = turns.place().turn(Priority::High, None).await;
        let next = turns.place().turn(Priority::Low, None).await;
        drop(endless);
        assert_eq!(
            turns.state.lock().unwrap().free,
            0,
            "the next one's turn is under way"
        );
        drop(next);
        assert_eq!(turns.state.lock().unwrap().free, 1);
    }

    #[tokio::test]
    async fn who_waits_no_more_takes_no_turn() {
        let turns = Turns::new(1);
        let first = turns.place().turn(Priority::High, None).await;
        let mut place = turns.place();
        let gone = tokio::spawn(async move {
            let _turn = place.turn(Priority::High, None).await;
        });
        tokio::task::yield_now().await;
        gone.abort();
        assert!(gone.await.is_err());
        drop(first);
        let _turn = turns.place().turn(Priority::Low, None).await;
    }
}
