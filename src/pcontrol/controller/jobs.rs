//! Jobs: given to hosts, ended, lost with their hosts.

use std::time::{Duration, Instant};

use super::{
    Claim, Controller, Fence, Happening, Job, Link, Machine, Place, Request, Resumed, key,
};
use crate::{
    pclient::wire::{Order, Start},
    process::{Captured, Completion, Outcome},
};

/// Stands for the host's number of threads in a command.
const MAX_THREADS: &str = "@MAX_THREADS@";

impl Controller {
    /// Submits a job. Jobs are numbered in the order of their submission.
    pub fn submit(&mut self, job: u64, request: Request, now: Instant) {
        self.pool.wait(job, request.claim.clone(), now);
        self.jobs.insert(job, Job::new(request, now));
    }

    /// Takes over a job that an earlier controller gave to a host, whose agent may still have it.
    /// Unless it lives on there, the agent ended with that controller, or will within the fence.
    pub fn resume(&mut self, job: u64, request: Request, resumed: Resumed, now: Instant) {
        let Resumed { place, account } = resumed;
        let host = place.host.clone();
        let (kept, present) = (place.fence.is_none(), self.fence());
        let fence = place
            .fence
            .map(Fence)
            .map_or(present, |fence| Fence(fence.0.max(present.0)));
        self.close_for_resume(&host, kept, now);
        let machine = self
            .machines
            .entry(key(&host))
            .or_insert_with(|| Machine::new(&host, kept, present, now));
        machine.dismissed = false;
        machine.account = account.or(machine.account.take());
        let over = now + fence.here();
        // One job that lives on is enough for time to prove nothing about the agent.
        machine.fence = match machine.fence {
            _ if kept => None,
            None if !machine.jobs.is_empty() => None,
            known => Some(known.map_or(over, |known| known.max(over))),
        };
        machine.jobs.insert(job);
        let mut entry = Job::new(request, now);
        self.runs.insert(place.run, job);
        entry.place = Some(Place {
            since: now,
            started: false,
            ..place
        });
        self.jobs.insert(job, entry);
        self.pool.reseat(job, &host);
        self.look_at(&host, now);
    }

    /// A connection that was made before could not know of the jobs that are resumed.
    fn close_for_resume(&mut self, host: &str, kept: bool, now: Instant) {
        let Some(machine) = self.machines.get_mut(&key(host)) else {
            return;
        };
        let other_way = kept && !machine.keep;
        if kept && machine.jobs.is_empty() {
            (machine.keep, machine.wanted_keep) = (true, true);
        }
        let met = matches!(machine.link, Link::Up { .. } | Link::Leaving { .. });
        if met || (other_way && machine.is_connected()) {
            self.give_up(host, "made anew", now);
        }
    }

    /// Ends a job: one that waits at once, one that runs soon. False where there is none.
    pub fn kill(&mut self, job: u64) -> bool {
        let Some(entry) = self.jobs.get_mut(&job) else {
            return false;
        };
        let Some(place) = &mut entry.place else {
            self.pool.withdraw(job);
            self.finish(job, unstarted(Outcome::Stopped));
            return true;
        };
        place.killed = true;
        let (host, run) = (place.host.clone(), place.run);
        if self
            .machine(&host)
            .is_some_and(|machine| matches!(machine.link, Link::Up { .. }))
        {
            self.say(&host, Order::Kill { run });
        }
        true
    }

    /// Seats waiting jobs on idle slots. The jobs, and the hosts that they were given to.
    pub fn assign(&mut self, now: Instant) -> Vec<(u64, String)> {
        let mut given = Vec::new();
        for seat in self.pool.assign(now) {
            let machine = self.machines.get_mut(&key(&seat.host));
            let (Some(job), Some(machine)) = (self.jobs.get_mut(&seat.job), machine) else {
                self.pool.release(seat.job);
                continue;
            };
            machine.jobs.insert(seat.job);
            let run = fastrand::u64(..);
            job.place = Some(Place {
                host: seat.host.clone(),
                run,
                since: now,
                started: false,
                killed: false,
                fence: (!machine.keep).then_some(machine.agreed.0),
            });
            let mut argv = job.request.argv.clone();
            for word in &mut argv {
                if word.contains(MAX_THREADS) {
                    *word = word.replace(MAX_THREADS, &seat.threads.to_string());
                }
            }
            let start = Start {
                run,
                argv,
                nice: job.request.nice,
                block: job.request.block.clone(),
            };
            self.runs.insert(run, seat.job);
            self.say(&seat.host, Order::Start(Box::new(start)));
            given.push((seat.job, seat.host));
        }
        given
    }

    /// The end of a job is stored: its host may forget it.
    pub fn taken(&mut self, host: &str, run: u64, now: Instant) {
        let Some(machine) = self.machines.get_mut(&key(host)) else {
            return;
        };
        machine.untaken.remove(&run);
        if matches!(machine.link, Link::Up { .. }) {
            self.say(host, Order::Taken { run });
        }
        // A host that was taken out waits for nothing but this.
        if self
            .machine(host)
            .is_some_and(|machine| !machine.has_runs())
        {
            self.look_at(host, now);
        }
    }

    /// A job is over.
    pub(super) fn finish(&mut self, job: u64, completion: Completion) {
        let Some(entry) = self.jobs.remove(&job) else {
            return;
        };
        self.pool.release(job);
        let host = entry.place.map(|place| {
            self.runs.remove(&place.run);
            if let Some(machine) = self.machines.get_mut(&key(&place.host)) {
                machine.jobs.remove(&job);
            }
            place.host
        });
        self.happenings.push_back(Happening::Ended {
            job,
            host,
            request: Box::new(entry.request),
            completion: Box::new(completion),
        });
    }

    pub(super) fn requeue_all(&mut self, host: &str, why: &str, counts: bool, now: Instant) {
        let Some(machine) = self.machine(host) else {
            return;
        };
        let jobs: Vec<u64> = machine.jobs.iter().copied().collect();
        for job in jobs {
            self.requeue(job, why, counts, now);
        }
    }

    /// A job's run is known to be over, and nothing is known of its end: it waits again. Whether it
    /// `counts` as lost: a human may have wanted it so.
    pub(super) fn requeue(&mut self, job: u64, why: &str, counts: bool, now: Instant) {
        let Some(entry) = self.jobs.get_mut(&job) else {
            return;
        };
        let Some(place) = entry.place.clone() else {
            return;
        };
        if place.killed {
            self.finish(job, unstarted(Outcome::Stopped));
            return;
        }
        entry.losses += u32::from(counts);
        if counts && entry.losses >= self.settings.losses {
            let (losses, host) = (entry.losses, &place.host);
            let why = format!(
                "it was lost with its host {losses} times, last on {host}: {why}; it may be what \
                 brings its hosts down"
            );
            self.finish(job, unstarted(Outcome::Lost(why)));
            return;
        }
        entry.place = None;
        let claim: Claim = entry.request.claim.clone();
        self.runs.remove(&place.run);
        self.pool.release(job);
        if let Some(machine) = self.machines.get_mut(&key(&place.host)) {
            machine.jobs.remove(&job);
        }
        self.pool.wait(job, claim, now);
        self.happenings.push_back(Happening::Requeued {
            job,
            host: place.host,
            why: why.to_owned(),
        });
    }
}

/// The end of a job that nobody saw run.
pub(super) fn unstarted(outcome: Outcome) -> Completion {
    let why = match &outcome {
        Outcome::Lost(why) => format!("{why}\n"),
        _ => String::new(),
    };
    Completion {
        id: 0,
        outcome,
        stdout: Captured::text(Vec::new()),
        stderr: Captured::text(why),
        wall: Duration::ZERO,
        usage: None,
        hung: false,
    }
}
