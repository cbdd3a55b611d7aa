//! The desk in a small world of nodes that fail.

use std::{collections::BTreeSet, time::Duration};

use proptest::prelude::*;

use super::*;

pub(in crate::worker) fn task(seq: u64, threads: u32, seconds: u64) -> Task {
    Task {
        seq,
        need: Need {
            threads,
            memory: u64::from(threads),
        },
        seconds,
        offset: 0,
        length: 0,
        attempt: 0,
        failures: 0,
        counted: 0,
    }
}

fn join(node: &str, incarnation: u64, cores: u32) -> Join {
    Join {
        node: node.into(),
        incarnation,
        whole: Need {
            threads: cores,
            memory: u64::from(cores),
        },
        going: Vec::new(),
        ended: Vec::new(),
    }
}

fn ended(given: &Given, how: How) -> Ended {
    Ended {
        seq: given.seq,
        attempt: given.attempt,
        how,
        milliseconds: Some(1000),
    }
}

fn numbers(given: &[Given]) -> Vec<(u64, u32)> {
    given.iter().map(|g| (g.seq, g.attempt)).collect()
}

fn desk(tasks: impl IntoIterator<Item = Task>, tries: u32) -> Desk {
    Desk::new(tasks, tries, Pace::new(Duration::from_millis(50)))
}

const EVER: u64 = u64::MAX;

#[test]
fn a_failure_that_a_predecessor_heard_of_is_counted_once() {
    let known = Task {
        attempt: 1,
        failures: 1,
        counted: 1,
        ..task(0, 1, 5)
    };
    let mut desk = desk([known], 2);
    let first = Ended {
        seq: 0,
        attempt: 1,
        how: How::Failed,
        milliseconds: None,
    };
    let (node, _) = desk.join(&Join {
        ended: vec![first],
        ..join("n1", 1, 1)
    });
    let given = desk.give(node, EVER);
    assert_eq!(numbers(&given), [(0, 2)]);
    desk.ended(node, &ended(&given[0], How::Failed));
    assert_eq!((desk.tally().failed, desk.tally().left), (1, 0));
}

#[test]
fn the_longest_jobs_are_given_first_as_far_as_there_is_room() {
    let mut desk = desk(
        [task(0, 1, 5), task(1, 2, 30), task(2, 1, 20), task(3, 1, 9)],
        1,
    );
    let (node, _) = desk.join(&join("a", 1, 4));
    assert_eq!(numbers(&desk.give(node, EVER)), [(1, 1), (2, 1), (3, 1)]);
    assert!(desk.give(node, EVER).is_empty());
}

#[test]
fn a_job_that_would_not_end_in_time_is_not_begun() {
    let mut desk = desk([task(0, 1, 100), task(1, 1, 50)], 1);
    let (node, _) = desk.join(&join("a", 1, 4));
    let given = desk.give(node, 60);
    assert_eq!(numbers(&given), [(1, 1)]);
    desk.ended(node, &ended(&given[0], How::Passed));
    assert!(!desk.is_over(60), "what passed is not on the disk yet");
    assert_eq!(desk.to_sync(60), [node]);
    desk.synced(node, 1);
    assert!(desk.is_over(60));
    assert!(!desk.is_over(EVER));
    assert_eq!((desk.tally().passed, desk.tally().left), (1, 1));
}

#[test]
fn a_job_that_failed_goes_to_another_node_first() {
    let mut desk = desk([task(0, 1, 9)], 3);
    let (a, _) = desk.join(&join("a", 1, 1));
    let (b, _) = desk.join(&join("b", 1, 1));
    let given = desk.give(a, EVER);
    desk.ended(a, &ended(&given[0], How::Failed));
    assert!(desk.give(a, EVER).is_empty());
    let given = desk.give(b, EVER);
    assert_eq!(numbers(&given), [(0, 2)]);
    desk.ended(b, &ended(&given[0], How::Failed));
    desk.lost(b);
    let given = desk.give(a, EVER);
    assert_eq!(numbers(&given), [(0, 3)]);
    desk.ended(a, &ended(&given[0], How::Failed));
    assert!(desk.is_over(EVER));
    assert_eq!((desk.tally().failed, desk.tally().retried), (1, 2));
}

#[test]
fn an_attempt_that_was_lost_and_is_told_of_later_counts_once() {
    let mut desk = desk([task(0, 1, 9)], 2);
    let (a, _) = desk.join(&join("a", 1, 1));
    let given = desk.give(a, EVER);
    desk.lost(a);
    let (a, _) = desk.join(&Join {
        ended: vec![ended(&given[0], How::Failed)],
        ..join("a", 1, 1)
    });
    assert_eq!((desk.tally().retried, desk.tally().failed), (1, 0));
    assert_eq!(numbers(&desk.give(a, EVER)), [(0, 2)]);
}

#[test]
fn the_only_node_tries_again_itself() {
    let mut desk = desk([task(0, 1, 9)], 2);
    let (a, _) = desk.join(&join("a", 1, 1));
    let given = desk.give(a, EVER);
    desk.ended(a, &ended(&given[0], How::Failed));
    assert_eq!(numbers(&desk.give(a, EVER)), [(0, 2)]);
}

#[test]
fn a_job_whose_inputs_are_missing_is_not_tried_again() {
    let mut desk = desk([task(0, 1, 9)], 3);
    let (a, _) = desk.join(&join("a", 1, 1));
    let given = desk.give(a, EVER);
    desk.ended(a, &ended(&given[0], How::Refused));
    assert!(desk.is_over(EVER));
    assert_eq!(desk.tally().failed, 1);
}

#[test]
fn a_node_on_which_all_fails_is_drained_while_another_is_in_order() {
    let mut desk = desk((0..40).map(|seq| task(seq, 1, 9)), 3);
    let (bad, _) = desk.join(&join("bad", 1, 1));
    for _ in 0..SUSPECT {
        let given = desk.give(bad, EVER);
        desk.ended(bad, &ended(&given[0], How::Failed));
    }
    assert_eq!(desk.drain(), [], "the last node is never drained");
    let (good, _) = desk.join(&join("good", 1, 1));
    assert_eq!(desk.drain(), [bad]);
    assert!(desk.give(bad, EVER).is_empty());
    assert_eq!(desk.give(good, EVER).len(), 1);
}

#[test]
fn what_a_silent_node_had_is_given_out_again_and_what_it_had_not_written() {
    let mut desk = desk((0..4).map(|seq| task(seq, 1, 9)), 3);
    let (a, _) = desk.join(&join("a", 1, 3));
    let (b, _) = desk.join(&join("b", 1, 4));
    let given = desk.give(a, EVER);
    desk.ended(a, &ended(&given[0], How::Passed));
    desk.ended(a, &ended(&given[1], How::Passed));
    desk.synced(a, 1);
    desk.lost(a);
    assert_eq!(desk.tally().passed, 1);
    let mut again = numbers(&desk.give(b, EVER));
    again.sort_unstable();
    assert_eq!(again, [(1, 2), (2, 2), (3, 1)]);
}

#[test]
fn a_worker_that_comes_again_keeps_what_runs_and_ends_what_is_anothers() {
    let mut desk = desk((0..3).map(|seq| task(seq, 1, 9)), 3);
    let (a, _) = desk.join(&join("a", 1, 2));
    let given = desk.give(a, EVER);
    let mut again = join("a", 1, 2);
    again.ended = vec![ended(&given[0], How::Passed)];
    again.going = vec![(1, 1), (2, 7)];
    let (b, _) = desk.join(&join("b", 1, 1));
    assert_eq!(numbers(&desk.give(b, EVER)), [(2, 1)]);
    desk.lost(a);
    let (same, foreign) = desk.join(&again);
    assert_eq!((same, foreign), (a, vec![(2, 7)]));
    assert_eq!((desk.tally().passed, desk.tally().left), (1, 2));
    assert!(desk.give(a, EVER).is_empty(), "1 runs there");
}

#[test]
fn orders_that_never_came_do_not_count_as_tried() {
    let mut desk = desk([task(0, 1, 9)], 1);
    let (a, _) = desk.join(&join("a", 1, 1));
    assert_eq!(desk.give(a, EVER).len(), 1);
    desk.join(&join("a", 1, 1));
    assert_eq!(numbers(&desk.give(a, EVER)), [(0, 2)]);
    desk.join(&join("a", 2, 1));
    assert!(
        desk.is_over(EVER),
        "a new process on the node had to end it"
    );
    assert_eq!(desk.tally().failed, 1);
}

#[test]
fn a_new_coordinator_learns_from_its_workers() {
    let mut tasks: Vec<Task> = (0..3).map(|seq| task(seq, 1, 9)).collect();
    tasks[1].attempt = 1;
    let mut desk = desk(tasks, 2);
    let mut known = join("a", 5, 2);
    known.going = vec![(1, 1)];
    known.ended = vec![
        Ended {
            seq: 0,
            attempt: 1,
            how: How::Passed,
            milliseconds: Some(5000),
        },
        Ended {
            seq: 2,
            attempt: 1,
            how: How::Failed,
            milliseconds: Some(5000),
        },
    ];
    let (a, foreign) = desk.join(&known);
    assert_eq!(foreign, []);
    assert_eq!(numbers(&desk.give(a, EVER)), [(2, 2)]);
    assert_eq!(desk.tally().passed, 1);
}

/// What may happen in the world.
#[derive(Debug, Clone)]
enum Event {
    /// The job that is so far down a node's list ends.
    End(usize, usize),
    /// A node's process is killed, and another one comes.
    Kill(usize),
    /// A node falls silent for good, unless it is the last.
    Silence(usize),
    /// A node's link breaks, and it comes again.
    Relink(usize),
    /// A node's disk has all.
    Sync(usize),
}

fn any_event() -> impl Strategy<Value = Event> {
    let node = 0_usize..4;
    prop_oneof![
        12 => (node.clone(), 0_usize..8).prop_map(|(n, at)| Event::End(n, at)),
        1 => node.clone().prop_map(Event::Kill),
        1 => node.clone().prop_map(Event::Silence),
        1 => node.clone().prop_map(Event::Relink),
        3 => node.prop_map(Event::Sync),
    ]
}

/// A node of the world, with the worker's own rule of what runs.
struct Machine {
    name: String,
    incarnation: u64,
    id: NodeId,
    room: Room,
    queue: VecDeque<Given>,
    going: Vec<Given>,
    ended: Vec<Ended>,
    alive: bool,
}

impl Machine {
    fn join(&self) -> Join {
        Join {
            node: self.name.clone(),
            incarnation: self.incarnation,
            whole: self.room.whole(),
            going: self.going.iter().map(|g| (g.seq, g.attempt)).collect(),
            ended: self.ended.clone(),
        }
    }

    fn start(&mut self) {
        while let Some(next) = self.queue.front().copied()
            && self.room.take(next.need)
        {
            self.queue.pop_front();
            self.going.push(next);
        }
    }
}

proptest! {
    #[test]
    fn no_node_is_oversubscribed_and_no_job_is_lost_or_run_twice_at_once(
        jobs in prop::collection::vec((1_u32..5, 0_u64..20, 0_u32..4), 1..60),
        cores in prop::collection::vec(1_u32..6, 1..5),
        events in prop::collection::vec(any_event(), 0..400),
        short in any::<bool>(),
    ) {
        const TRIES: u32 = 3;
        let tasks = jobs.iter().zip(0..).map(|((threads, seconds, _), seq)| task(seq, *threads, *seconds));
        let mut desk = desk(tasks, TRIES);
        let mut machines: Vec<Machine> = Vec::new();
        for (at, cores) in cores.iter().enumerate() {
            let first = join(&format!("n{at}"), 1, *cores);
            let (id, _) = desk.join(&first);
            machines.push(Machine {
                name: first.node,
                incarnation: 1,
                id,
                room: Room::new(first.whole),
                queue: VecDeque::new(),
                going: Vec::new(),
                ended: Vec::new(),
                alive: true,
            });
        }
        let mut passed: BTreeSet<u64> = BTreeSet::new();
        let mut failures: BTreeMap<u64, u32> = BTreeMap::new();
        // Afterwards everything that is under way ends, until nothing is left.
        let rest = (0..).flat_map(|_| (0..4).flat_map(|n| [Event::End(n, 0), Event::Sync(n)]));
        let bound = events.len() + 40 * jobs.len() * 8;
        for event in events.into_iter().chain(rest).take(bound) {
            let alive = machines.iter().filter(|m| m.alive).count();
            match event {
                Event::End(n, at) => {
                    if let Some(machine) = machines.get_mut(n).filter(|m| m.alive && !m.going.is_empty()) {
                        let given = machine.going.remove(at % machine.going.len());
                        machine.room.give_back(given.need);
                        let bad = jobs[usize::try_from(given.seq).unwrap()].2;
                        let failed = failures.entry(given.seq).or_default();
                        let how = if *failed < bad { How::Failed } else { How::Passed };
                        match how {
                            How::Failed => *failed += 1,
                            _ => drop(passed.insert(given.seq)),
                        }
                        let record = Ended { milliseconds: Some(if short { 1 } else { 1000 }), ..ended(&given, how) };
                        machine.ended.push(record);
                        desk.ended(machine.id, &record);
                        desk.drain();
                    }
                },
                Event::Kill(n) => {
                    if let Some(machine) = machines.get_mut(n).filter(|m| m.alive) {
                        for given in machine.going.drain(..) {
                            machine.room.give_back(given.need);
                            *failures.entry(given.seq).or_default() += 1;
                        }
                        // Nobody can tell any more which of these had begun.
                        for given in machine.queue.drain(..) {
                            *failures.entry(given.seq).or_default() += 1;
                        }
                        machine.ended.clear();
                        machine.incarnation += 1;
                        desk.join(&machine.join());
                    }
                },
                Event::Silence(n) => {
                    if let Some(machine) = machines.get_mut(n).filter(|m| m.alive && alive > 1) {
                        machine.alive = false;
                        for given in machine.going.drain(..).chain(machine.queue.drain(..)) {
                            *failures.entry(given.seq).or_default() += 1;
                        }
                        for record in desk.nodes[machine.id.0].unsynced.clone() {
                            passed.remove(&record.1.seq);
                        }
                        desk.lost(machine.id);
                    }
                },
                Event::Relink(n) => {
                    if let Some(machine) = machines.get_mut(n).filter(|m| m.alive) {
                        machine.queue.clear();
                        let (_, foreign) = desk.join(&machine.join());
                        prop_assert_eq!(foreign, vec![]);
                    }
                },
                Event::Sync(n) => {
                    if let Some(machine) = machines.get(n).filter(|m| m.alive) {
                        desk.synced(machine.id, machine.ended.len() as u64);
                    }
                },
            }
            for machine in machines.iter_mut().filter(|m| m.alive) {
                machine.queue.extend(desk.give(machine.id, EVER));
                machine.start();
                let whole = machine.room.whole();
                let used: u32 = machine.going.iter().map(|g| g.need.of(whole).threads).sum();
                prop_assert!(used <= whole.threads, "oversubscribed");
            }
            let mut under_way = BTreeSet::new();
            for given in machines.iter().flat_map(|m| m.going.iter().chain(&m.queue)) {
                prop_assert!(under_way.insert(given.seq), "job {} runs twice at once", given.seq);
                prop_assert!(!passed.contains(&given.seq), "job {} has passed already", given.seq);
            }
            if desk.is_over(EVER) {
                break;
            }
        }
        prop_assert!(desk.is_over(EVER), "it comes to an end: {}", desk.tally());
        let tally = desk.tally();
        prop_assert_eq!((tally.passed + tally.failed, tally.left), (jobs.len() as u64, 0));
        prop_assert_eq!(tally.passed, passed.len() as u64);
        for seq in 0..jobs.len() as u64 {
            let failed = failures.get(&seq).copied().unwrap_or(0);
            prop_assert!(passed.contains(&seq) || failed > 0, "job {} is lost", seq);
        }
    }
}
