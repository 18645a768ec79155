//! The queue in memory: which of the runs that wait goes next, and why another has to wait.
//!
//! The ledger holds the runs; this holds their order. Each lane has places of its own, so work of one never waits for
//! that of another. In a lane the higher priority goes first, and of one priority the older. A run that waits for a
//! time, or for its plugin's other runs to end, does not hold up those behind it. Of those who have to pass a gate, the
//! first in line asks, and the next once it has its answer: so they pass in the order in which they stand. Places are derived from the runs that
//! hold them, never counted apart, so none can leak. Pure: whoever asks brings the time.

mod places;

use std::collections::BTreeMap;

use model::work::{Lane, Priority};
use model::{RunId, Timestamp};

pub use places::{BulkheadFull, Places};

/// A run that waits for its turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub run: RunId,
    pub lane: Lane,
    pub priority: Priority,
    /// Whose bulkhead it counts against.
    pub plugin: String,
    /// It does not begin earlier.
    pub not_before: Option<Timestamp>,
    /// The gate that it has to pass first, if there is one: of those who wait for it, one asks at a time.
    pub gate: Option<String>,
    /// It does not wait for a gate that is shut until then or longer.
    pub deadline: Option<Timestamp>,
}

/// A gate, as the queue knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Gate {
    /// Who has a place, and asks now.
    asking: Option<RunId>,
    /// It lets nobody through before.
    shut: Option<Timestamp>,
}

/// Why a run waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// For a time: a retry, work that was asked for later, or when its breaker or rate limit is to be asked again.
    Until(Timestamp),
    /// All places of its lane are taken, and `ahead` others go before it.
    Lane { lane: Lane, places: usize, ahead: usize },
    /// The plugin has as many runs as it may.
    Plugin { plugin: String, places: usize },
    /// For nothing: it goes as soon as somebody looks.
    Ready,
}

/// Where a ticket stands in its lane: by priority, then by age.
type Rank = (Priority, u64);

/// The runs of one plugin that wait in one lane for a place, in the order in which they go.
type Line = BTreeMap<Rank, Ticket>;

#[derive(Debug)]
pub struct Queue {
    places: Places,
    /// Runs that wait for a place.
    lines: BTreeMap<(Lane, String), Line>,
    /// Runs that wait for a time, with the rank they will have then.
    later: BTreeMap<(Timestamp, RunId), (Rank, Ticket)>,
    /// Where each waiting run is.
    spots: BTreeMap<RunId, Spot>,
    /// The runs that hold a place.
    running: BTreeMap<RunId, Running>,
    /// Plugins of runs that are about to come.
    reserved: BTreeMap<RunId, String>,
    gates: BTreeMap<String, Gate>,
    /// Counts tickets, so that the older goes first.
    drawn: u64,
}

#[derive(Clone, Debug)]
struct Running {
    lane: Lane,
    plugin: String,
    rank: Rank,
}

#[derive(Clone, Debug)]
enum Spot {
    InLine(Lane, String, Rank),
    Later(Timestamp),
}

impl Queue {
    pub fn new(places: Places) -> Self {
        Self {
            places,
            lines: BTreeMap::new(),
            later: BTreeMap::new(),
            spots: BTreeMap::new(),
            running: BTreeMap::new(),
            reserved: BTreeMap::new(),
            gates: BTreeMap::new(),
            drawn: 0,
        }
    }

    /// Keeps room for a run that is about to come, until [`Queue::push`] or [`Queue::unreserve`].
    ///
    /// # Errors
    ///
    /// [`BulkheadFull`] if as many runs of the plugin go on and wait as may.
    pub fn reserve(&mut self, run: RunId, plugin: &str) -> Result<(), BulkheadFull> {
        let (running, waiting) = (self.running_of(plugin), self.waiting_of(plugin));
        if running + waiting >= self.places.room_of_plugin(plugin) {
            return Err(BulkheadFull { running, waiting });
        }
        self.reserved.insert(run, plugin.to_owned());
        Ok(())
    }

    /// The run does not come, or has come.
    pub fn unreserve(&mut self, run: RunId) {
        self.reserved.remove(&run);
    }

    /// Takes a run in, room or not. One that holds a place gives it up and keeps its age; one that waits already waits
    /// anew.
    pub fn push(&mut self, ticket: Ticket) {
        let age = self.running.get(&ticket.run).map(|running| running.rank.1);
        self.leave(ticket.run);
        self.unreserve(ticket.run);
        let age = age.unwrap_or_else(|| {
            self.drawn += 1;
            self.drawn
        });
        let rank = (ticket.priority, age);
        match ticket.not_before {
            Some(at) => {
                self.spots.insert(ticket.run, Spot::Later(at));
                self.later.insert((at, ticket.run), (rank, ticket));
            }
            None => self.stand_in_line(rank, ticket),
        }
    }

    /// Gives the runs that may begin now a place each, the first to go first.
    pub fn take(&mut self, now: Timestamp) -> Vec<RunId> {
        self.bring_in(now);
        self.gates.values_mut().for_each(|gate| gate.shut = gate.shut.filter(|until| *until > now));
        self.gates.retain(|_, gate| *gate != Gate::default());
        let mut taken = Vec::new();
        for lane in Lane::ALL {
            while self.running_in(*lane) < self.places.of_lane(*lane) {
                let Some((rank, ticket)) = self.next_of(*lane) else { break };
                self.withdraw(ticket.run);
                taken.push(ticket.run);
                if let Some(gate) = ticket.gate {
                    self.gates.entry(gate).or_default().asking = Some(ticket.run);
                }
                self.running.insert(ticket.run, Running { lane: ticket.lane, plugin: ticket.plugin, rank });
            }
        }
        taken
    }

    /// The run has asked at its gate: the next may, unless nobody is let through before a time.
    pub fn asked(&mut self, run: RunId, shut: Option<Timestamp>) {
        if let Some(gate) = self.gates.values_mut().find(|gate| gate.asking == Some(run)) {
            *gate = Gate { asking: None, shut: shut.or(gate.shut) };
        }
    }

    /// Whoever waits for this gate may ask, whatever it said before.
    pub fn open(&mut self, gate: &str) {
        if let Some(gate) = self.gates.get_mut(gate) {
            gate.shut = None;
        }
    }

    /// Frees the place of a run, or forgets that it waits. Returns whether it was here.
    pub fn leave(&mut self, run: RunId) -> bool {
        self.asked(run, None);
        self.running.remove(&run).is_some() || self.withdraw(run).is_some()
    }

    /// Takes a run out if it still waits.
    pub fn withdraw(&mut self, run: RunId) -> Option<Ticket> {
        match self.spots.remove(&run)? {
            Spot::Later(at) => self.later.remove(&(at, run)).map(|(_, ticket)| ticket),
            Spot::InLine(lane, plugin, rank) => {
                let line = self.lines.get_mut(&(lane, plugin.clone()))?;
                let ticket = line.remove(&rank);
                if line.is_empty() {
                    self.lines.remove(&(lane, plugin));
                }
                ticket
            }
        }
    }

    /// Has a run that waits for a time wait for a place instead. Returns whether it waited for a time.
    pub fn hasten(&mut self, run: RunId) -> bool {
        let Some(Spot::Later(at)) = self.spots.get(&run) else { return false };
        let Some((rank, ticket)) = self.later.remove(&(*at, run)) else { return false };
        self.stand_in_line(rank, ticket);
        true
    }

    /// Takes out every run that waits, but for some.
    pub fn withdraw_all(&mut self, but: &[RunId]) -> Vec<RunId> {
        let runs: Vec<RunId> = self.spots.keys().copied().filter(|run| !but.contains(run)).collect();
        runs.iter().for_each(|run| drop(self.withdraw(*run)));
        runs
    }

    /// Takes out the runs that wait for a time, but for some.
    pub fn withdraw_later(&mut self, but: &[RunId]) -> Vec<RunId> {
        let waiting = self.later.keys().map(|(_, run)| *run).filter(|run| !but.contains(run));
        let runs: Vec<RunId> = waiting.collect();
        runs.iter().for_each(|run| drop(self.withdraw(*run)));
        runs
    }

    /// The earliest time for which a run waits, or a gate is shut.
    pub fn next_time(&self) -> Option<Timestamp> {
        let later = self.later.keys().next().map(|(at, _)| *at);
        self.gates.values().filter_map(|gate| gate.shut).chain(later).min()
    }

    /// Why a run waits; none if it does not.
    pub fn why(&self, run: RunId, now: Timestamp) -> Option<Waiting> {
        let (lane, plugin, rank) = match self.spots.get(&run)? {
            Spot::Later(at) if *at > now => return Some(Waiting::Until(*at)),
            Spot::Later(_) => return Some(Waiting::Ready),
            Spot::InLine(lane, plugin, rank) => (*lane, plugin, *rank),
        };
        let places = self.places.of_lane(lane);
        if self.running_in(lane) >= places {
            let ahead = self.lines_of(lane).map(|(_, line)| line.range(..rank).count()).sum();
            return Some(Waiting::Lane { lane, places, ahead });
        }
        if !self.has_room(plugin, lane) {
            let places = self.places.of_plugin(plugin).min(self.places.of_plugin_in(plugin, lane));
            return Some(Waiting::Plugin { plugin: plugin.clone(), places });
        }
        let ticket = self.lines.get(&(lane, plugin.clone())).and_then(|line| line.get(&rank));
        let gate = ticket.and_then(|ticket| self.gates.get(ticket.gate.as_ref()?));
        match gate.and_then(|gate| gate.shut) {
            Some(until) if until > now => Some(Waiting::Until(until)),
            Some(_) | None => Some(Waiting::Ready),
        }
    }

    /// Runs that wait for a place, of all lanes.
    pub fn in_line(&self) -> usize {
        self.lines.values().map(Line::len).sum()
    }

    /// Runs that wait, of each lane, whether for a time or for a place.
    pub fn depth(&self) -> BTreeMap<Lane, usize> {
        let later = |lane| self.later.values().filter(|(_, ticket)| ticket.lane == lane).count();
        let in_line = |lane| self.lines_of(lane).map(|(_, line)| line.len()).sum::<usize>();
        Lane::ALL.iter().map(|lane| (*lane, later(*lane) + in_line(*lane))).collect()
    }

    /// Those who waited for a time that has come stand in line, with the rank that their age gives them.
    fn bring_in(&mut self, now: Timestamp) {
        while let Some(entry) = self.later.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let (rank, ticket) = entry.remove();
            self.stand_in_line(rank, ticket);
        }
    }

    fn stand_in_line(&mut self, rank: Rank, ticket: Ticket) {
        let (lane, plugin) = (ticket.lane, ticket.plugin.clone());
        self.spots.insert(ticket.run, Spot::InLine(lane, plugin.clone(), rank));
        self.lines.entry((lane, plugin)).or_default().insert(rank, ticket);
    }

    /// Whether its gate lets it ask.
    fn may_ask(&self, ticket: &Ticket) -> bool {
        let gate = ticket.gate.as_ref().and_then(|gate| self.gates.get(gate));
        let is_too_late = |until| ticket.deadline.is_some_and(|deadline| deadline <= until);
        gate.is_none_or(|gate| gate.asking.is_none() && gate.shut.is_none_or(is_too_late))
    }

    /// The first in line whose plugin may have one run more, and whose gate lets it ask.
    fn next_of(&self, lane: Lane) -> Option<(Rank, Ticket)> {
        let open = self.lines_of(lane).filter(|(plugin, _)| self.has_room(plugin, lane));
        let first = open
            .filter_map(|(_, line)| line.iter().find(|(_, ticket)| self.may_ask(ticket)))
            .min_by_key(|(rank, _)| **rank);
        first.map(|(rank, ticket)| (*rank, ticket.clone()))
    }

    fn lines_of(&self, lane: Lane) -> impl Iterator<Item = (&str, &Line)> {
        let of_lane = self.lines.range((lane, String::new())..).take_while(move |((its, _), _)| *its == lane);
        of_lane.map(|((_, plugin), line)| (plugin.as_str(), line))
    }

    fn running_in(&self, lane: Lane) -> usize {
        self.running.values().filter(|running| running.lane == lane).count()
    }

    /// Whether one run more of a plugin may go on in a lane that has a place.
    fn has_room(&self, plugin: &str, lane: Lane) -> bool {
        let of_lane = self.running.values().filter(|running| running.lane == lane && running.plugin == plugin).count();
        self.running_of(plugin) < self.places.of_plugin(plugin) && of_lane < self.places.of_plugin_in(plugin, lane)
    }

    fn running_of(&self, plugin: &str) -> usize {
        self.running.values().filter(|running| running.plugin == plugin).count()
    }

    /// Those who wait for a time or a place, and those who are about to come.
    fn waiting_of(&self, plugin: &str) -> usize {
        let later = self.later.values().filter(|(_, ticket)| ticket.plugin == plugin).count();
        let lines = self.lines.iter().filter(|((_, its), _)| its == plugin);
        let in_line: usize = lines.map(|(_, line)| line.len()).sum();
        let reserved = self.reserved.values().filter(|its| *its == plugin).count();
        later + in_line + reserved
    }
}

#[cfg(test)]
mod tests;
