//! The coordinator's decisions: which job goes to which node, what is tried again and where, and
//! when there is no more to do. Pure: what happens goes in, what is to be given out comes out.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
};

use super::{
    message::{Ended, Given, How, Join},
    pace::Pace,
    room::{Need, Room},
    waiting::{Lane, Waiting},
};

/// So many failures in a row make a node suspect.
const SUSPECT: u32 = 10;
/// A node with fewer failures in a row than this is in order.
const IN_ORDER: u32 = 3;

/// A node, by the order in which nodes came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NodeId(pub(super) usize);

/// A job to be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Task {
    /// Its number within the run.
    pub(super) seq: u64,
    /// What it needs.
    pub(super) need: Need,
    /// Seconds it is expected to take.
    pub(super) seconds: u64,
    /// Where its part of `commands.sh` begins, in bytes.
    pub(super) offset: u64,
    /// Length of that part in bytes.
    pub(super) length: u64,
    /// Attempts there have been, in this allocation or before.
    pub(super) attempt: u32,
    /// Tries that have failed, in earlier runs too.
    pub(super) failures: u32,
    /// The latest attempt whose end is counted in that.
    pub(super) counted: u32,
}

/// How many jobs came to which end, and how many are under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    /// Passed.
    pub(super) passed: u64,
    /// Failed as often as they may, or refused.
    pub(super) failed: u64,
    /// Attempts that failed and were followed by another.
    pub(super) retried: u64,
    /// Neither.
    pub(super) left: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            passed,
            failed,
            retried,
            left,
        } = self;
        write!(
            f,
            "{passed} jobs passed, {failed} failed, {retried} attempts retried, {left} left"
        )
    }
}

/// What the coordinator knows.
#[derive(Debug)]
pub(super) struct Desk {
    tries: u32,
    jobs: BTreeMap<u64, Job>,
    waiting: Waiting,
    nodes: Vec<Node>,
    pace: Pace,
    tally: Tally,
}

/// A job that is not over.
#[derive(Debug)]
struct Job {
    task: Task,
    failures: u32,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Waiting(Lane),
    Given(NodeId),
}

#[derive(Debug)]
struct Node {
    name: String,
    incarnation: u64,
    /// Whether it is there; one that went may come back.
    present: bool,
    drained: bool,
    room: Room,
    /// What has room.
    inside: BTreeMap<u64, Need>,
    /// What gets room when it is free, in this order.
    ahead: VecDeque<u64>,
    failures_in_a_row: u32,
    /// Ended attempts that were heard of.
    heard: u64,
    /// Passed jobs by the number of their ended attempt, not yet on the disk.
    unsynced: VecDeque<(u64, Task)>,
}

impl Node {
    fn works(&self) -> bool {
        self.present && !self.drained
    }

    /// Takes a job off the node; the next of those ahead gets its room.
    fn clear(&mut self, seq: u64) {
        if let Some(need) = self.inside.remove(&seq) {
            self.room.give_back(need);
        }
        self.ahead.retain(|ahead| *ahead != seq);
    }
}

impl Desk {
    /// A desk for these jobs, each tried at most `tries` times in all.
    pub(super) fn new(tasks: impl IntoIterator<Item = Task>, tries: u32, pace: Pace) -> Self {
        let mut desk = Self {
            tries: tries.max(1),
            jobs: BTreeMap::new(),
            waiting: Waiting::default(),
            nodes: Vec::new(),
            pace,
            tally: Tally::default(),
        };
        for task in tasks {
            if task.failures >= desk.tries {
                desk.tally.failed += 1;
                continue;
            }
            desk.tally.left += 1;
            desk.wait(task, task.failures, None);
        }
        desk
    }

    /// A worker comes. Gives its node, and what runs there though it is nobody's or another's:
    /// that is to be ended.
    pub(super) fn join(&mut self, join: &Join) -> (NodeId, Vec<(u64, u32)>) {
        let (id, is_new) = self.seat(join);
        let heard = usize::try_from(self.node(id).map_or(0, |node| node.heard)).unwrap_or(0);
        for ended in join.ended.iter().skip(heard) {
            self.ended(id, ended);
        }
        let mut foreign = Vec::new();
        let mut kept = Vec::new();
        for (seq, attempt) in &join.going {
            match self.jobs.get_mut(seq).map(|job| (job.place, job)) {
                Some((Place::Given(holder), job))
                    if holder == id && job.task.attempt == *attempt =>
                {
                    kept.push(*seq);
                },
                Some((Place::Waiting(lane), job)) => {
                    self.waiting.remove(lane, &job.task);
                    job.task.attempt = job.task.attempt.max(*attempt);
                    job.place = Place::Given(id);
                    kept.push(*seq);
                },
                _ => foreign.push((*seq, *attempt)),
            }
        }
        self.reconcile(id, &kept, is_new);
        self.relent();
        (id, foreign)
    }

    /// An attempt is over. One that was given to another node meanwhile counts there.
    pub(super) fn ended(&mut self, id: NodeId, ended: &Ended) {
        let Some(node) = self.nodes.get_mut(id.0) else {
            return;
        };
        node.heard += 1;
        let number = node.heard;
        let Some(job) = self.jobs.get(&ended.seq) else {
            return;
        };
        let lane = match job.place {
            Place::Given(holder) if holder == id && job.task.attempt == ended.attempt => None,
            Place::Waiting(lane) => Some(lane),
            Place::Given(_) => return,
        };
        if ended.how == How::Failed && ended.attempt <= job.task.counted {
            // A predecessor heard of it, and the journal told it.
            return;
        }
        let Some(mut job) = self.jobs.remove(&ended.seq) else {
            return;
        };
        match lane {
            Some(lane) => self.waiting.remove(lane, &job.task),
            None => self.clear(id, ended.seq),
        }
        job.task.attempt = job.task.attempt.max(ended.attempt);
        if let Some(milliseconds) = ended.milliseconds {
            self.pace.took(milliseconds);
        }
        match ended.how {
            How::Passed => {
                self.tally.passed += 1;
                self.tally.left -= 1;
                if let Some(node) = self.nodes.get_mut(id.0) {
                    node.failures_in_a_row = 0;
                    node.unsynced.push_back((number, job.task));
                }
            },
            How::Refused => {
                self.tally.failed += 1;
                self.tally.left -= 1;
            },
            How::Stopped => self.wait(job.task, job.failures, None),
            How::Failed => {
                if let Some(node) = self.nodes.get_mut(id.0) {
                    node.failures_in_a_row += 1;
                }
                self.failed(&job, id);
            },
        }
    }

    /// So many ended attempts of a node are on its disk.
    pub(super) fn synced(&mut self, id: NodeId, count: u64) {
        if let Some(node) = self.nodes.get_mut(id.0) {
            while node
                .unsynced
                .pop_front_if(|(number, _)| *number <= count)
                .is_some()
            {}
        }
    }

    /// A node is silent, or went: what it had is given out again, and so is what it may not have
    /// brought to the disk.
    pub(super) fn lost(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get_mut(id.0) else {
            return;
        };
        node.present = false;
        let unsynced = std::mem::take(&mut node.unsynced);
        for (_, task) in unsynced {
            self.tally.passed -= 1;
            self.tally.left += 1;
            self.wait(task, task.failures, None);
        }
        self.reconcile(id, &[], true);
        self.relent();
    }

    /// Nodes on which jobs keep failing while another is in order get no more work. Gives those
    /// that are newly so.
    pub(super) fn drain(&mut self) -> Vec<NodeId> {
        let mut drained = Vec::new();
        while let Some(at) = self.suspect() {
            if let Some(node) = self.nodes.get_mut(at) {
                node.drained = true;
                drained.push(NodeId(at));
            }
        }
        drained
    }

    /// What a node is to run now; `left` is how many seconds there are until the end.
    pub(super) fn give(&mut self, id: NodeId, left: u64) -> Vec<Given> {
        let lone = self.working().filter(|other| *other != id).count() == 0;
        let mut given = Vec::new();
        let Some(node) = self.nodes.get(id.0).filter(|node| node.works()) else {
            return given;
        };
        let most_ahead = self.pace.ahead(node.room.whole().threads);
        while let Some(node) = self.nodes.get_mut(id.0) {
            let may_go_ahead = node.ahead.len() < most_ahead;
            let picked = self.waiting.pick(
                left,
                |lane| lone || lane != Some(id),
                |need| may_go_ahead || (node.ahead.is_empty() && node.room.fits(need)),
            );
            let Some(job) = picked.and_then(|seq| self.jobs.get_mut(&seq)) else {
                break;
            };
            let seq = job.task.seq;
            let need = job.task.need;
            if let Place::Waiting(lane) = job.place {
                self.waiting.remove(lane, &job.task);
            }
            job.place = Place::Given(id);
            job.task.attempt += 1;
            if node.ahead.is_empty() && node.room.take(need) {
                node.inside.insert(seq, need);
            } else {
                node.ahead.push_back(seq);
            }
            given.push(Given {
                seq,
                attempt: job.task.attempt,
                need,
                offset: job.task.offset,
                length: job.task.length,
            });
        }
        given
    }

    /// Whether nothing is left to wait for: no job is given out, none that waits can be done in
    /// the `left` seconds, and all that passed is on a disk.
    pub(super) fn is_over(&self, left: u64) -> bool {
        self.is_idle(left) && self.nodes.iter().all(|node| node.unsynced.is_empty())
    }

    /// Nodes that hold passed jobs not yet on their disks, while there is nothing else to do.
    pub(super) fn to_sync(&self, left: u64) -> Vec<NodeId> {
        if !self.is_idle(left) {
            return Vec::new();
        }
        self.ids(|node| !node.unsynced.is_empty()).collect()
    }

    /// Nodes that work.
    pub(super) fn working(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.ids(Node::works)
    }

    /// A node's name.
    pub(super) fn name(&self, id: NodeId) -> &str {
        self.node(id).map_or("", |node| node.name.as_str())
    }

    /// Whether a node is there, as far as anybody knows.
    pub(super) fn is_present(&self, id: NodeId) -> bool {
        self.node(id).is_some_and(|node| node.present)
    }

    /// How far it is.
    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    /// Where only drained nodes are left, they work again: one of them may be in order by now.
    fn relent(&mut self) {
        if self.working().next().is_some() {
            return;
        }
        for node in &mut self.nodes {
            node.drained = false;
            node.failures_in_a_row = 0;
        }
    }

    fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.0)
    }

    fn ids(&self, which: impl Fn(&Node) -> bool) -> impl Iterator<Item = NodeId> {
        let nodes = self.nodes.iter().enumerate();
        nodes
            .filter(move |(_, node)| which(node))
            .map(|(at, _)| NodeId(at))
    }

    /// Whether no job is given out, and none that waits can be done in the `left` seconds.
    fn is_idle(&self, left: u64) -> bool {
        let idle = |node: &Node| node.inside.is_empty() && node.ahead.is_empty();
        self.nodes.iter().all(idle) && !self.waiting.has_any(left)
    }

    /// The node of a worker, and whether this process of it was not known.
    fn seat(&mut self, join: &Join) -> (NodeId, bool) {
        let mut known = self.nodes.iter_mut().enumerate();
        if let Some((at, node)) = known.find(|(_, node)| node.name == join.node) {
            node.present = true;
            let is_new = node.incarnation != join.incarnation;
            if is_new {
                // What its predecessor wrote is in the machine's memory, if not on its disk.
                node.unsynced.clear();
                node.heard = 0;
                node.incarnation = join.incarnation;
            }
            return (NodeId(at), is_new);
        }
        self.nodes.push(Node {
            name: join.node.clone(),
            incarnation: join.incarnation,
            present: true,
            drained: false,
            room: Room::new(join.whole),
            inside: BTreeMap::new(),
            ahead: VecDeque::new(),
            failures_in_a_row: 0,
            heard: 0,
            unsynced: VecDeque::new(),
        });
        (NodeId(self.nodes.len() - 1), true)
    }

    /// Makes a node's books agree with what runs there. What it was given besides is lost, and
    /// counts as tried where it may have begun.
    fn reconcile(&mut self, id: NodeId, going: &[u64], may_have_begun: bool) {
        let of_node = |job: &Job| job.place == Place::Given(id);
        let lost: Vec<u64> = self
            .jobs
            .iter()
            .filter(|(seq, job)| of_node(job) && !going.contains(seq))
            .map(|(seq, _)| *seq)
            .collect();
        for seq in lost {
            match self.jobs.remove(&seq) {
                Some(mut job) if may_have_begun => {
                    // The node may come back and tell of it.
                    job.task.counted = job.task.counted.max(job.task.attempt);
                    self.failed(&job, id);
                },
                Some(job) => self.wait(job.task, job.failures, None),
                None => {},
            }
        }
        let needs = going.iter().filter_map(|seq| {
            let job = self.jobs.get(seq)?;
            Some((*seq, job.task.need))
        });
        let needs: BTreeMap<u64, Need> = needs.collect();
        if let Some(node) = self.nodes.get_mut(id.0) {
            node.room = Room::new(node.room.whole());
            for need in needs.values() {
                node.room.take(*need);
            }
            node.inside = needs;
            node.ahead.clear();
        }
    }

    fn clear(&mut self, id: NodeId, seq: u64) {
        let Some(node) = self.nodes.get_mut(id.0) else {
            return;
        };
        node.clear(seq);
        while let Some(next) = node.ahead.front()
            && let Some(job) = self.jobs.get(next)
            && node.room.take(job.task.need)
        {
            node.inside.insert(*next, job.task.need);
            node.ahead.pop_front();
        }
    }

    /// An attempt came to nothing.
    fn failed(&mut self, job: &Job, on: NodeId) {
        let failures = job.failures + 1;
        if failures >= self.tries {
            self.tally.failed += 1;
            self.tally.left -= 1;
        } else {
            self.tally.retried += 1;
            self.wait(job.task, failures, Some(on));
        }
    }

    fn wait(&mut self, task: Task, failures: u32, lane: Lane) {
        self.waiting.add(lane, &task);
        let job = Job {
            task,
            failures,
            place: Place::Waiting(lane),
        };
        self.jobs.insert(task.seq, job);
    }

    fn suspect(&self) -> Option<usize> {
        let works = |node: &&Node| node.works();
        let at = self
            .nodes
            .iter()
            .position(|node| works(&node) && node.failures_in_a_row >= SUSPECT)?;
        let mut others = self.nodes.iter().filter(works);
        others
            .any(|node| node.failures_in_a_row < IN_ORDER)
            .then_some(at)
    }
}

#[cfg(test)]
pub(super) mod tests;
