//! The flights under way in this process.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use smallvec::{SmallVec, smallvec};

use crate::flight::latch::{Latch, Wait};
use crate::key::EntryId;
use crate::sync::Mutex;

/// At most one joinable flight per key.
#[derive(Debug)]
pub(crate) struct Flights<T> {
    table: Mutex<Table<T>>,
}

#[derive(Debug)]
struct Table<T> {
    /// Those that can be joined.
    map: HashMap<EntryId, Arc<Flight<T>>>,
    /// Those that go on for who is in them, without being joined: a purge must find them still.
    withdrawn: Vec<Weak<Flight<T>>>,
}

impl<T> Table<T> {
    /// Takes `flight` off under `id`, if it is the one that is there.
    fn withdraw(&mut self, id: EntryId, is: impl Fn(&Arc<Flight<T>>) -> bool) {
        if let Some(flight) = self.map.get(&id).filter(|flight| is(flight)) {
            self.withdrawn.retain(|flight| flight.strong_count() > 0);
            self.withdrawn.push(Arc::downgrade(flight));
            self.map.remove(&id);
        }
    }
}

/// One refresh, and what comes of it.
#[derive(Debug)]
pub(crate) struct Flight<T> {
    /// The URL it belongs to: a purge of that strikes it off, whichever variant it fetches.
    primary: EntryId,
    result: Arc<Latch<T>>,
    /// True once purged: its result may not be stored. Held while storing, so that a purge comes
    /// either wholly before (nothing is stored) or wholly after (it removes what was stored).
    purged: Arc<Mutex<bool>>,
}

/// One's place in a flight.
#[derive(Debug)]
pub(crate) enum Seat<T: Clone> {
    /// Nobody was there: lead.
    Lead(Lead<T>),
    /// Somebody leads: wait for the result.
    Follow(Wait<T>),
}

impl<T: Clone> Flights<T> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            table: Mutex::new(Table {
                map: HashMap::new(),
                withdrawn: Vec::new(),
            }),
        })
    }

    /// Takes a seat in the flight of `id`, a variant of the URL `primary` (or that itself).
    pub(crate) fn join(self: &Arc<Self>, id: EntryId, primary: EntryId) -> Seat<T> {
        let mut table = self.table.lock();
        if let Some(flight) = table.map.get(&id) {
            return Seat::Follow(flight.result.wait());
        }
        let flight = Arc::new(Flight::new(primary, Arc::new(Mutex::new(false))));
        table.map.insert(id, Arc::clone(&flight));
        drop(table);
        Seat::Lead(Lead {
            flights: Arc::clone(self),
            flight,
            ids: smallvec![id],
        })
    }

    /// True if a flight of `id` is under way.
    #[cfg(test)]
    pub(crate) fn underway(&self, id: EntryId) -> bool {
        self.table.lock().map.contains_key(&id)
    }

    /// Takes the flight that `wait` was for off the table: who comes from now on starts anew.
    pub(crate) fn forget(&self, id: EntryId, wait: &Wait<T>) {
        self.table
            .lock()
            .withdraw(id, |flight| wait.is_for(&flight.result));
    }

    /// Strikes off every flight of `id`, or of a variant of it: whoever comes from now on starts
    /// anew, and what these fetch is not stored. Those who wait in them came before the purge.
    ///
    /// The caller removes what is stored *after* this: see [`Flight::purged`].
    pub(crate) fn purge(&self, id: EntryId) {
        let mut table = self.table.lock();
        table.map.retain(|key, flight| {
            let hit = *key == id || flight.primary == id;
            if hit {
                *flight.purged.lock() = true;
            }
            !hit
        });
        table.withdrawn.retain(|flight| {
            let Some(flight) = flight.upgrade() else {
                return false;
            };
            if flight.primary == id {
                *flight.purged.lock() = true;
            }
            true
        });
    }

    /// Strikes off every flight there is: as [`purge`](Self::purge) of all ids.
    pub(crate) fn purge_all(&self) {
        let mut table = self.table.lock();
        for (_, flight) in table.map.drain() {
            *flight.purged.lock() = true;
        }
        for flight in table
            .withdrawn
            .drain(..)
            .filter_map(|flight| flight.upgrade())
        {
            *flight.purged.lock() = true;
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.table.lock().map.len()
    }
}

impl<T: Clone> Flight<T> {
    fn new(primary: EntryId, purged: Arc<Mutex<bool>>) -> Self {
        Self {
            primary,
            result: Arc::new(Latch::new()),
            purged,
        }
    }
}

/// The right and the duty to bring a flight to its end.
///
/// Dropping it ends the flight: whoever still waits is told that it was abandoned and competes to
/// lead the next one.
#[derive(Debug)]
pub(crate) struct Lead<T: Clone> {
    flights: Arc<Flights<T>>,
    flight: Arc<Flight<T>>,
    ids: SmallVec<[EntryId; 2]>,
}

impl<T: Clone> Lead<T> {
    /// Waits for the result like a follower.
    pub(crate) fn wait(&self) -> Wait<T> {
        self.flight.result.wait()
    }

    /// Gives the result to all who wait and to all who still join before the end.
    pub(crate) fn announce(&self, result: T) {
        self.flight.result.set(result);
    }

    /// Gives `result` to all who wait so far and goes on: who joins later waits for the next.
    pub(crate) fn announce_and_continue(&mut self, result: T) {
        let next = Arc::new(Flight::new(
            self.flight.primary,
            Arc::clone(&self.flight.purged),
        ));
        let last = std::mem::replace(&mut self.flight, Arc::clone(&next));
        {
            let mut table = self.flights.table.lock();
            for id in &self.ids {
                // Struck off meanwhile: then it is somebody else's, and stays so.
                if let Some(seat) = table
                    .map
                    .get_mut(id)
                    .filter(|seat| Arc::ptr_eq(seat, &last))
                {
                    *seat = Arc::clone(&next);
                }
            }
        }
        last.result.set(result);
    }

    /// Lets those who ask for `id` join this flight too, unless they have one of their own.
    pub(crate) fn also_under(&mut self, id: EntryId) {
        let mut table = self.flights.table.lock();
        let purged = self.flight.purged.lock();
        if !*purged {
            table
                .map
                .entry(id)
                .or_insert_with(|| Arc::clone(&self.flight));
            self.ids.push(id);
        }
    }

    /// Runs `store`, unless what was fetched has been purged meanwhile.
    pub(crate) fn store(&self, store: impl FnOnce()) -> bool {
        let purged = self.flight.purged.lock();
        if !*purged {
            store();
        }
        !*purged
    }

    /// True if somebody waits for the result.
    pub(crate) fn is_awaited(&self) -> bool {
        self.flight.result.waiting() > 0
    }

    /// Takes the flight off the table: who comes from now on starts anew. Its result still reaches
    /// those who are in it.
    pub(crate) fn withdraw(&mut self) {
        let mut table = self.flights.table.lock();
        for id in std::mem::take(&mut self.ids) {
            table.withdraw(id, |seat| Arc::ptr_eq(seat, &self.flight));
        }
    }

    /// True if a purge struck this flight off.
    #[cfg(test)]
    pub(crate) fn is_purged(&self) -> bool {
        *self.flight.purged.lock()
    }
}

impl<T: Clone> Drop for Lead<T> {
    fn drop(&mut self) {
        self.withdraw();
        // After the removal, so that those woken by this find the place vacant.
        self.flight.result.close();
    }
}

#[cfg(all(test, not(bellwether_loom)))]
mod tests {
    use tokio_test::{assert_pending, assert_ready_eq, task};

    use super::*;

    fn id(n: u8) -> EntryId {
        EntryId::from_bytes([n; 16])
    }

    fn lead(flights: &Arc<Flights<u8>>, n: u8) -> Lead<u8> {
        match flights.join(id(n), id(n)) {
            Seat::Lead(lead) => lead,
            Seat::Follow(_) => panic!("the seat is taken"),
        }
    }

    fn follow(flights: &Arc<Flights<u8>>, n: u8) -> task::Spawn<Wait<u8>> {
        match flights.join(id(n), id(n)) {
            Seat::Lead(_) => panic!("nobody leads"),
            Seat::Follow(wait) => task::spawn(wait),
        }
    }

    #[test]
    fn one_leads_and_the_rest_follow_until_the_leader_is_gone() {
        let flights = Flights::new();
        let leader = lead(&flights, 1);
        let mut early = follow(&flights, 1);
        assert_pending!(early.poll());
        leader.announce(7);
        assert_ready_eq!(early.poll(), Some(7));
        assert_ready_eq!(follow(&flights, 1).poll(), Some(7));
        drop(leader);
        assert_eq!(flights.len(), 0);
        drop(lead(&flights, 1));
    }

    #[test]
    fn followers_of_an_abandoned_flight_elect_exactly_one_successor() {
        let flights = Flights::new();
        let leader = lead(&flights, 1);
        let mut waits: Vec<_> = (0..5).map(|_| follow(&flights, 1)).collect();
        waits
            .iter_mut()
            .for_each(|wait| assert_pending!(wait.poll()));
        drop(leader);
        let mut seats = Vec::new();
        for wait in &mut waits {
            assert!(wait.is_woken());
            assert_ready_eq!(wait.poll(), None);
            seats.push(flights.join(id(1), id(1)));
        }
        let leaders = seats
            .iter()
            .filter(|seat| matches!(seat, Seat::Lead(_)))
            .count();
        assert_eq!(leaders, 1);
    }

    #[test]
    fn a_purge_strikes_off_the_flights_of_every_variant() {
        let flights = Flights::<u8>::new();
        let Seat::Lead(variant) = flights.join(id(2), id(1)) else {
            panic!("the seat is taken")
        };
        let other = lead(&flights, 3);
        flights.purge(id(1));
        assert!(!variant.store(|| panic!("stored what was purged")));
        assert!(other.store(|| ()));
        let successor = flights.join(id(2), id(1));
        assert!(
            matches!(successor, Seat::Lead(_)),
            "a purged flight cannot be joined"
        );
        drop(variant);
        assert!(
            flights.underway(id(2)),
            "the old leader's end does not take the new one's place"
        );
    }

    #[test]
    fn a_purge_finds_those_that_can_no_longer_be_joined() {
        let flights = Flights::<u8>::new();
        let mut withdrawn = lead(&flights, 1);
        withdrawn.withdraw();
        let forgotten = lead(&flights, 1);
        flights.forget(id(1), &forgotten.wait());
        assert!(!flights.underway(id(1)));
        flights.purge(id(1));
        assert!(withdrawn.is_purged() && forgotten.is_purged());
        let successor = lead(&flights, 1);
        flights.forget(id(1), &forgotten.wait());
        assert!(flights.underway(id(1)), "another's place is not given up");
        drop(successor);
    }

    #[test]
    fn a_purge_of_everything_finds_all_flights() {
        let flights = Flights::<u8>::new();
        let mut withdrawn = lead(&flights, 1);
        withdrawn.withdraw();
        let joinable = lead(&flights, 2);
        flights.purge_all();
        assert!(withdrawn.is_purged() && joinable.is_purged());
        assert_eq!(flights.len(), 0);
        assert!(!lead(&flights, 2).is_purged());
    }

    #[test]
    fn who_joins_after_an_interim_result_waits_for_the_next() {
        let flights = Flights::new();
        let mut leader = lead(&flights, 1);
        let mut early = follow(&flights, 1);
        assert_pending!(early.poll());
        leader.announce_and_continue(1);
        assert_ready_eq!(early.poll(), Some(1));
        let mut late = follow(&flights, 1);
        assert_pending!(late.poll());
        leader.announce(2);
        assert_ready_eq!(late.poll(), Some(2));
    }

    #[test]
    fn a_flight_purged_before_its_interim_result_stays_purged() {
        let flights = Flights::new();
        let mut leader = lead(&flights, 1);
        flights.purge(id(1));
        leader.announce_and_continue(1);
        assert!(leader.is_purged());
        assert!(!flights.underway(id(1)));
    }

    #[test]
    fn a_second_name_ends_with_the_flight() {
        let flights = Flights::new();
        let mut leader = lead(&flights, 1);
        leader.also_under(id(2));
        let mut second = follow(&flights, 2);
        assert_pending!(second.poll());
        leader.announce(9);
        assert_ready_eq!(second.poll(), Some(9));
        drop(leader);
        assert_eq!(flights.len(), 0);
    }
}
