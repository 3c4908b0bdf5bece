//! The subscription of one node: late, with gaps, and dumb while the node stands still.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::history::{Heard, History};
use super::life::Life;
use crate::shared::{Listener, TierEvent};
use crate::sync::Mutex;

/// How events come through.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flow {
    /// At most so late, in milliseconds.
    pub(super) delay: u64,
    /// How many of a thousand are lost without a gap being told.
    pub(super) lost: u64,
}

/// Stands between the tier and one node's engine.
pub(super) struct Pipe {
    state: Mutex<State>,
    queue: mpsc::UnboundedSender<(Instant, TierEvent)>,
}

struct State {
    flow: Flow,
    rng: fastrand::Rng,
    /// Nothing comes through.
    deaf: bool,
    gaps: u64,
    last: Instant,
}

impl Pipe {
    /// Begins to deliver to `engine`. With `careless`, the node is never told of gaps.
    pub(super) fn lay(
        node: usize,
        engine: Weak<dyn Listener>,
        life: Arc<Life>,
        history: Arc<History>,
        rng: fastrand::Rng,
        careless: bool,
    ) -> Arc<Self> {
        let (queue, mut events) = mpsc::unbounded_channel::<(Instant, TierEvent)>();
        let pipe = Arc::new(Self {
            state: Mutex::new(State {
                flow: Flow { delay: 0, lost: 0 },
                rng,
                deaf: false,
                gaps: 0,
                last: Instant::now(),
            }),
            queue,
        });
        let ear = engine.clone();
        tokio::spawn(async move {
            while let Some((due, event)) = events.recv().await {
                tokio::time::sleep_until(due).await;
                life.gate().await;
                let Some(engine) = engine.upgrade() else {
                    break;
                };
                // The careless one was told, as far as the checks know.
                if !(careless && matches!(event, TierEvent::Lost | TierEvent::Resumed)) {
                    engine.event(event);
                }
                history.hear(Heard { node, event });
            }
        });
        let beating = Arc::downgrade(&pipe);
        tokio::spawn(async move {
            while let Some(pipe) = beating.upgrade() {
                match (careless, ear.upgrade()) {
                    // Nothing tells it that it was cut off, a silence neither.
                    (true, Some(engine)) => engine.event(TierEvent::Alive),
                    _ => pipe.event(TierEvent::Alive),
                }
                drop(pipe);
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        pipe
    }

    pub(super) fn set(&self, flow: Flow) {
        self.state.lock().flow = flow;
    }

    /// The connection breaks; the node learns of it a little later, if it lasts.
    pub(super) fn cut(self: &Arc<Self>) {
        let mut state = self.state.lock();
        if std::mem::replace(&mut state.deaf, true) {
            return;
        }
        state.gaps += 1;
        let (gap, late) = (state.gaps, Duration::from_millis(state.rng.u64(..1_500)));
        let pipe = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(late).await;
            let mut state = pipe.state.lock();
            if state.deaf && state.gaps == gap {
                pipe.put(&mut state, Duration::ZERO, TierEvent::Lost);
            }
        });
    }

    /// The connection is there again.
    pub(super) fn mend(&self) {
        let mut state = self.state.lock();
        if std::mem::replace(&mut state.deaf, false) {
            let late = Duration::from_millis(state.rng.u64(..50));
            self.put(&mut state, late, TierEvent::Resumed);
        }
    }

    /// In order: each not before the one before it.
    fn put(&self, state: &mut State, late: Duration, event: TierEvent) {
        state.last = state.last.max(Instant::now() + late);
        let _ = self.queue.send((state.last, event));
    }
}

impl Listener for Pipe {
    fn event(&self, event: TierEvent) {
        let mut state = self.state.lock();
        let Flow { delay, lost } = state.flow;
        let gone = event != TierEvent::Alive && state.rng.u64(..1_000) < lost;
        if state.deaf || gone {
            return;
        }
        let late = Duration::from_millis(state.rng.u64(..=delay));
        self.put(&mut state, late, event);
    }
}
