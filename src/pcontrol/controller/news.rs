//! What the agents on the hosts say.

use std::time::Instant;

use super::{Controller, Effect, Happening, Link, Machine, News, key};
use crate::{
    pclient::wire::{Order, Welcome},
    process::Completion,
};

impl Controller {
    /// Takes news of a connection; those of an earlier one mean nothing any more.
    pub fn hear(&mut self, host: &str, connection: u64, news: News, now: Instant) {
        let Some(machine) = self.machines.get_mut(&key(host)) else {
            return;
        };
        if machine.connection != connection {
            return;
        }
        match news {
            News::Welcome(welcome) => self.welcome(host, welcome, now),
            News::Started { run } => self.started(host, run),
            News::Ended(completion) => self.ended(host, *completion, now),
            News::Beat { at } => {
                let was_silent = !machine.is_up();
                machine.heard(at);
                let is_up = machine.is_up();
                if was_silent && is_up {
                    self.tell(format!("host {host} answers again"));
                }
                self.pool.set_up(host, is_up);
            },
            News::Gone => {
                self.requeue_all(host, "its agent was told to end", false, now);
                self.effects.push_back(Effect::Close {
                    machine: host.to_owned(),
                });
                self.lost(host, "disconnected".to_owned(), now);
            },
            News::Lost(why) => {
                if !matches!(machine.link, Link::Leaving { .. }) {
                    let text = format!("host {host} is down: {why}");
                    self.tell(text);
                }
                self.lost(host, why, now);
            },
        }
    }

    fn welcome(&mut self, host: &str, welcome: Welcome, now: Instant) {
        let Some(machine) = self.machines.get_mut(&key(host)) else {
            return;
        };
        if !matches!(machine.link, Link::Opening { .. }) {
            return;
        }
        let other = machine
            .account
            .as_ref()
            .is_some_and(|known| *known != welcome.account);
        if other && !machine.jobs.is_empty() {
            // What it says proves nothing about the jobs of the one that had the name.
            let why = "another machine or account answers under this name than the one that has \
                       its jobs";
            self.tell(format!("host {host} is down: {why}"));
            self.give_up(host, why, now);
            return;
        }
        machine.account = Some(welcome.account.clone());
        machine.link = Link::Up {
            since: now,
            heard: now,
            silent: false,
        };
        machine.about = format!(
            "{}, {} cores, version {}",
            welcome.host, welcome.cores, welcome.version
        );
        machine.heard(now);
        let about = machine.about.clone();
        let jobs: Vec<u64> = machine.jobs.iter().copied().collect();
        for job in jobs {
            let place = self.jobs.get(&job).and_then(|job| job.place.clone());
            match place {
                Some(place) if welcome.runs.contains(&place.run) => {
                    if place.killed {
                        self.say(host, Order::Kill { run: place.run });
                    }
                },
                _ => self.requeue(job, "the agent that had it is gone", true, now),
            }
        }
        for run in welcome.runs {
            if !self.runs.contains_key(&run) {
                // Its end is known, or nobody wants it any more.
                self.say(host, Order::Kill { run });
                self.say(host, Order::Taken { run });
            }
        }
        self.tell(format!("host {host} is up: {about}"));
        self.pool.set_up(host, true);
        if self.machine(host).is_some_and(|machine| machine.dismissed) {
            self.send_away(host, now);
        } else {
            self.look_at(host, now);
        }
    }

    /// The job of a run that was given to that host.
    fn job_of(&self, host: &str, run: u64) -> Option<u64> {
        let job = *self.runs.get(&run)?;
        let place = self.jobs.get(&job)?.place.as_ref()?;
        place.host.eq_ignore_ascii_case(host).then_some(job)
    }

    fn started(&mut self, host: &str, run: u64) {
        let Some(job) = self.job_of(host, run) else {
            return;
        };
        let place = self.jobs.get_mut(&job).and_then(|job| job.place.as_mut());
        if let Some(place) = place
            && !std::mem::replace(&mut place.started, true)
        {
            let host = place.host.clone();
            self.happenings.push_back(Happening::Started { job, host });
        }
    }

    fn ended(&mut self, host: &str, completion: Completion, now: Instant) {
        let run = completion.id;
        let untaken = |machine: &Machine| machine.untaken.contains(&run);
        match self.job_of(host, run) {
            Some(job) => {
                if let Some(machine) = self.machines.get_mut(&key(host)) {
                    machine.untaken.insert(run);
                }
                self.finish(job, completion);
            },
            // It was told before, and is being stored.
            None if self.machine(host).is_some_and(untaken) => {},
            // It was told before: the agent has not heard yet that it may forget it.
            None => self.taken(host, run, now),
        }
    }
}
