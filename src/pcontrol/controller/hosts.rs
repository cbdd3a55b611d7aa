//! Hosts come and go, and are judged by what is heard of them.

use std::time::Instant;

use super::{Controller, Effect, HostError, Link, Machine, SlotId, key};
use crate::pclient::wire::Order;

impl Controller {
    /// Adds a slot on a host.
    pub fn add(&mut self, host: &str, threads: u32, keep: Option<bool>, now: Instant) -> SlotId {
        let id = self.pool.add(host, threads);
        let (kept, fence) = (keep.unwrap_or(self.settings.keep), self.fence());
        let machine = self
            .machines
            .entry(key(host))
            .or_insert_with(|| Machine::new(host, kept, fence, now));
        machine.wanted_keep = keep.unwrap_or(machine.wanted_keep);
        machine.dismissed = false;
        let other_way = machine.wanted_keep != machine.keep && machine.jobs.is_empty();
        let up = machine.is_up();
        let unseated = machine.jobs.iter().find(|job| !self.pool.is_seated(**job));
        if let Some(job) = unseated.copied() {
            self.pool.reseat(job, host);
        }
        self.pool.set_up(host, up);
        if up && other_way {
            self.send_away(host, now);
        }
        self.look_at(host, now);
        id
    }

    /// Takes one slot of a host out, a busy one after its job.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn off(&mut self, host: &str, now: Instant) -> Result<(), HostError> {
        self.pool.off(host)?;
        self.look_at(host, now);
        Ok(())
    }

    /// Takes one slot of a host back in.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn on(&mut self, host: &str, now: Instant) -> Result<(), HostError> {
        self.pool.on(host)?;
        self.try_now(host, now);
        Ok(())
    }

    /// Tries now to connect to a host that is down.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn retry(&mut self, host: &str, now: Instant) -> Result<(), HostError> {
        self.pool.is_down(host)?;
        self.try_now(host, now);
        Ok(())
    }

    /// Forgets one slot of a host that is off.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn delete(&mut self, host: &str, now: Instant) -> Result<(), HostError> {
        self.pool.delete(host)?;
        self.look_at(host, now);
        Ok(())
    }

    /// Forgets all hosts; their agents end, and their jobs wait again. How many slots there were.
    pub fn clear(&mut self, now: Instant) -> usize {
        let count = self.pool.clear();
        let names: Vec<String> = self.machines.values().map(|m| m.name.clone()).collect();
        for name in names {
            self.dismiss(&name, now);
        }
        count
    }

    /// Closes the connections to hosts that have jobs which live on without them.
    pub fn let_go(&mut self, now: Instant) {
        let lives_on = |machine: &&Machine| machine.keep && machine.has_runs();
        let kept = self.machines.values().filter(lives_on);
        let names: Vec<String> = kept.map(|machine| machine.name.clone()).collect();
        for name in names {
            self.give_up(&name, "let go", now);
            // Nobody will ask for it any more.
            self.machines.remove(&key(&name));
            self.pool.set_up(&name, false);
        }
    }

    /// Makes all connections anew; for hosts without jobs.
    pub fn reconnect(&mut self, now: Instant) {
        let names: Vec<String> = self.machines.values().map(|m| m.name.clone()).collect();
        for name in names {
            self.give_up(&name, "made anew", now);
            self.try_now(&name, now);
        }
    }

    pub(super) fn try_now(&mut self, host: &str, now: Instant) {
        if let Some(machine) = self.machines.get_mut(&key(host))
            && let Link::Closed {
                failures, retry, ..
            } = &mut machine.link
        {
            (*failures, *retry) = (0, now);
            machine.brief = 0;
        }
        self.look_at(host, now);
    }

    /// Judges a machine's silence. All that it has said has to have been heard before.
    pub(super) fn judge(&mut self, host: &str, now: Instant) {
        let Some(machine) = self.machines.get_mut(&key(host)) else {
            return;
        };
        let (name, agreed) = (machine.name.clone(), machine.agreed);
        if machine.fence.is_some_and(|fence| fence <= now) && !machine.jobs.is_empty() {
            let heard = agreed.here().as_secs();
            let why = format!("nothing was heard of its host for {heard} s");
            self.give_up(&name, "it does not answer", now);
            self.requeue_all(&name, &why, true, now);
            return;
        }
        let Link::Up { heard, silent, .. } = &mut machine.link else {
            return;
        };
        let silence = now.saturating_duration_since(*heard);
        if silence >= agreed.here() {
            self.tell(format!("host {name} is down: it does not answer"));
            self.give_up(&name, "it does not answer", now);
        } else if silence >= agreed.overdue() && !std::mem::replace(silent, true) {
            self.tell(format!(
                "host {name} has not answered for {} s and gets no more jobs",
                silence.as_secs()
            ));
            self.pool.set_up(&name, false);
        }
    }

    /// Does what a machine's state asks for now.
    pub(super) fn look_at(&mut self, host: &str, now: Instant) {
        let Some(machine) = self.machines.get(&key(host)) else {
            return;
        };
        let (name, wanted) = (machine.name.clone(), self.wants(machine));
        match machine.link {
            Link::Closed {
                retry, failures, ..
            } => {
                if wanted && retry <= now {
                    self.connect(&name, failures);
                } else if !wanted && !self.pool.knows(&name) {
                    self.machines.remove(&key(host));
                }
            },
            Link::Opening { .. } => {},
            Link::Up { since, silent, .. } => {
                let aged = now.saturating_duration_since(since) >= self.settings.connect_time;
                if !silent && (!wanted || (aged && !machine.has_runs())) {
                    self.send_away(&name, now);
                }
            },
            Link::Leaving { until } => {
                if until <= now {
                    self.give_up(&name, "it did not end when it was told to", now);
                }
            },
        }
    }

    fn connect(&mut self, host: &str, failures: u32) {
        self.connections += 1;
        let (connection, fence) = (self.connections, self.fence());
        if let Some(machine) = self.machines.get_mut(&key(host)) {
            if !machine.has_runs() {
                machine.keep = machine.wanted_keep;
            }
            machine.agreed = fence;
            machine.link = Link::Opening { failures };
            machine.connection = connection;
            self.effects.push_back(Effect::Connect {
                machine: machine.name.clone(),
                connection,
                keep: machine.keep,
                fence: fence.0,
            });
        }
    }

    /// Tells the agent of a machine to end its jobs and to go.
    pub(super) fn send_away(&mut self, host: &str, now: Instant) {
        let Some(machine) = self.machines.get_mut(&key(host)) else {
            return;
        };
        match machine.link {
            Link::Up { .. } => {
                machine.leave(now);
                self.pool.set_up(host, false);
                self.say(host, Order::Bye);
            },
            Link::Opening { .. } => self.give_up(host, "it is not wanted any more", now),
            Link::Closed { .. } | Link::Leaving { .. } => self.look_at(host, now),
        }
    }

    /// Ends the agent of a machine. Jobs that live on while there is no connection end with the
    /// next one, which is tried at once.
    pub(super) fn dismiss(&mut self, host: &str, now: Instant) {
        let Some(machine) = self.machines.get_mut(&key(host)) else {
            return;
        };
        if !machine.keep || !machine.has_runs() {
            self.send_away(host, now);
            return;
        }
        machine.dismissed = true;
        match machine.link {
            Link::Up { silent: false, .. } => self.send_away(host, now),
            Link::Up { .. } => self.give_up(host, "it does not answer", now),
            Link::Closed { .. } => self.try_now(host, now),
            Link::Opening { .. } | Link::Leaving { .. } => {},
        }
    }

    /// Closes the connection without waiting for anything.
    pub(super) fn give_up(&mut self, host: &str, why: &str, now: Instant) {
        let Some(machine) = self.machines.get_mut(&key(host)) else {
            return;
        };
        if machine.is_connected() {
            self.effects.push_back(Effect::Close {
                machine: machine.name.clone(),
            });
            self.lost(host, why.to_owned(), now);
        }
    }

    pub(super) fn lost(&mut self, host: &str, why: String, now: Instant) {
        if let Some(machine) = self.machines.get_mut(&key(host)) {
            machine.lost(&self.settings, why, now);
            // Whatever still comes from there is from the past.
            machine.connection = 0;
        }
        self.pool.set_up(host, false);
        self.look_at(host, now);
    }
}
