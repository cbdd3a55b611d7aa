//! Visits to sites: the network steps of runs, each under its claim.
//!
//! What was read of a run before it was claimed may be old, so it is read anew; and what stops one
//! run does not stop the others.

use std::collections::BTreeMap;

use super::{
    Observer, Work,
    drive::is_exec,
    workplace::{RemoteError, Workplace},
};
use crate::{
    batch::Scheduler,
    config::site::Site,
    connection::{
        self, Host, LinkError, PROBE_LIMIT, Remedy,
        life::{Link, Standing},
    },
    exec::{Exec, ExecError, Executed},
    poll::{self, Poll, PollError, Polled, Watched},
    prepare::launch,
    state::{
        StateError,
        event::Act,
        run::{Run, RunEvent, RunState, Stage, Step},
        run_dir::decision::Decision,
    },
};

/// A site that is being visited.
struct Visit<'a> {
    name: &'a str,
    site: Site,
    host: Host,
    /// Its masters' age and end; nothing for this host.
    link: Option<Link>,
    scheduler: Box<dyn Scheduler>,
    work: Work,
    observer: &'a dyn Observer,
}

/// What a visit did.
#[derive(Default)]
struct Done {
    changed: bool,
    /// Why the link is down, if runs wait for it from now on.
    down: Option<String>,
}

impl Workplace {
    /// Does the network steps of `runs` that belong to `work`, site by site; tells whether
    /// anything changed.
    pub async fn visit_sites(
        &mut self,
        runs: Vec<Run>,
        work: Work,
        observer: &dyn Observer,
    ) -> Result<bool, RemoteError> {
        let mut by_site: BTreeMap<String, Vec<Run>> = BTreeMap::new();
        for run in runs.into_iter().filter(|run| work.includes(run.state)) {
            by_site.entry(run.site.clone()).or_default().push(run);
        }
        let mut changed = false;
        for (site, runs) in by_site {
            changed |= self.visit(&site, runs, work, observer).await?;
        }
        Ok(changed)
    }

    /// Claims a run and reads it anew; `None` if someone else holds it, or it is no longer in a
    /// state that `ready` admits.
    pub(super) fn take(
        &mut self,
        run: &Run,
        ready: impl Fn(RunState) -> bool,
        observer: &dyn Observer,
    ) -> Result<Option<Run>, StateError> {
        match self.claim(run.run_id) {
            Ok(()) => {},
            Err(error @ StateError::Held { .. }) => {
                observer.note(Some(run), &error.to_string());
                return Ok(None);
            },
            Err(error) => return Err(error),
        }
        let run = self.store.run(run.run_id)?;
        if ready(run.state) {
            return Ok(Some(run));
        }
        self.release(run.run_id)?;
        Ok(None)
    }

    /// Does what there is to do at one site: all network steps of its runs.
    async fn visit(
        &mut self,
        name: &str,
        runs: Vec<Run>,
        work: Work,
        observer: &dyn Observer,
    ) -> Result<bool, RemoteError> {
        let site = self.loaded.site(name)?.clone();
        let host = match Host::open(name, &site).await {
            Ok(host) => host,
            Err(error) => return self.turned_away(name, &runs, error, observer).await,
        };
        // Runs that wait for the link cost it one question together.
        if runs
            .iter()
            .any(|run| matches!(run.state, RunState::Auth(_)))
            && let Err(error) = host.probe(PROBE_LIMIT).await
        {
            return self.turned_away(name, &runs, error, observer).await;
        }
        let visit = Visit {
            name,
            link: Link::of(name, &site),
            scheduler: self.scheduler(&site, &host),
            site,
            host,
            work,
            observer,
        };
        let mut changed = false;
        let mut watched = Vec::new();
        let mut down = false;
        for run in runs {
            if self.is_held(&visit, &run) {
                continue;
            }
            let Some(run) = self.take(&run, |state| work.includes(state), observer)? else {
                continue;
            };
            if is_exec(run.state) {
                let done = self.execute(&visit, &run).await;
                self.release(run.run_id)?;
                changed |= done?;
                down = matches!(self.store.run(run.run_id)?.state, RunState::Auth(_));
                if down {
                    break;
                }
                continue;
            }
            match Decision::read(&self.run_dir(&run)) {
                Ok(decision) => {
                    let remote_dir = decision.remote_dir.to_string_lossy().into_owned();
                    watched.push(Watched {
                        run,
                        remote_dir,
                        walltime: decision.allocation.walltime,
                        tasks: decision.allocation.tasks,
                    });
                },
                Err(error) => {
                    self.fail(&visit, &run, Step::Poll, &error.to_string())?;
                    self.release(run.run_id)?;
                    changed = true;
                },
            }
        }
        let done = if down {
            Ok(Done::default())
        } else {
            self.poll(&visit, &watched).await
        };
        for watched in &watched {
            self.release(watched.run.run_id)?;
        }
        let done = done?;
        match done.down {
            Some(why) => self.tell_down(name, &why, observer).await?,
            None if !down => {
                if let Some(link) = &visit.link {
                    let standing = Standing::Up(link.clone());
                    self.tell(name, &standing, observer).await?;
                }
            },
            None => {},
        }
        Ok(changed || done.changed)
    }

    /// Takes a claimed run through exec; tells whether anything changed.
    async fn execute(&mut self, visit: &Visit<'_>, run: &Run) -> Result<bool, RemoteError> {
        let run_dir = self.run_dir(run);
        if let RunState::Active(stage) | RunState::Auth(stage) = run.state
            && stage != Stage::Submitting
            && let Err(error) = launch::retoken(&run_dir, &run.token)
        {
            self.fail(visit, run, Step::Exec, &error.to_string())?;
            return Ok(true);
        }
        let runs = self.loaded.runs_directory();
        let program = self.sent_program(&visit.site);
        let exec = Exec {
            host: &visit.host,
            scheduler: visit.scheduler.as_ref(),
            site_name: visit.name,
            site: &visit.site,
            left: visit.left(self.clock.now()),
            program: &program,
            root: &self.loaded.root,
            runs: &runs,
            clock: self.clock.as_ref(),
            progress: visit.observer,
        };
        let executed = match exec.execute(&mut self.store, run, &run_dir).await {
            Ok(executed) => executed,
            Err(ExecError::State(StateError::Illegal(error))) => {
                let text = format!("left, since someone moved it meanwhile: {error}");
                visit.observer.note(Some(run), &text);
                return Ok(true);
            },
            Err(error) => return Err(error.into()),
        };
        let waited = matches!(run.state, RunState::Auth(_));
        let told = match &executed {
            Executed::Auth { .. } => waited,
            Executed::Waits { why } | Executed::Later { why } | Executed::InDoubt { why } => {
                *why == run.reason
            },
            _ => false,
        };
        if !told {
            visit.observer.note(Some(run), &executed.to_string());
        }
        match executed {
            Executed::Submitted { .. } | Executed::Failed { .. } => Ok(true),
            Executed::InDoubt { .. } | Executed::Waits { .. } | Executed::Later { .. } => Ok(false),
            Executed::Held { .. } => {
                self.held.insert(run.run_id, visit.opened_at());
                Ok(!waited)
            },
            Executed::Auth { why } => {
                if !waited {
                    self.tell_down(visit.name, &why, visit.observer).await?;
                }
                Ok(!waited)
            },
        }
    }

    /// Polls claimed runs and brings home those that are over.
    async fn poll(&mut self, visit: &Visit<'_>, watched: &[Watched]) -> Result<Done, RemoteError> {
        let program = self.sent_program(&visit.site);
        let poll = Poll {
            host: &visit.host,
            scheduler: visit.scheduler.as_ref(),
            site_name: visit.name,
            site: &visit.site,
            left: visit.left(self.clock.now()),
            program: &program,
            allowed: &self.loaded.config.legacy_dbinfo,
            clock: self.clock.as_ref(),
            progress: visit.observer,
        };
        let mut done = Done::default();
        let mut polled = match poll.ask(&mut self.store, watched).await {
            Ok(polled) => polled,
            Err(PollError::Query(why)) => {
                visit.observer.note(None, &why);
                return Ok(done);
            },
            Err(error) => return Err(error.into()),
        };
        for Watched { run, .. } in watched {
            let Some(mut answer) = polled.remove(&run.run_id) else {
                continue;
            };
            let run_dir = self.run_dir(run);
            let home = &self.loaded.root;
            let went = match &answer {
                Polled::Ended => Some(poll.finish(&mut self.store, run, &run_dir, home).await),
                Polled::Running if visit.is_harvested(run, self.clock.now()) => Some(
                    poll.harvest_running(&mut self.store, run, &run_dir, home)
                        .await,
                ),
                _ => None,
            };
            if let Some(went) = went {
                answer = match went {
                    Ok(answer) => answer,
                    Err(PollError::State(StateError::Illegal(error))) => {
                        let text = format!("left, since someone moved it meanwhile: {error}");
                        visit.observer.note(Some(run), &text);
                        continue;
                    },
                    Err(error) => return Err(error.into()),
                };
            }
            match answer {
                Polled::Queued { .. } | Polled::Running | Polled::Unseen => {},
                Polled::Auth { why } => {
                    if let RunState::Active(_) = run.state {
                        done.down = Some(why);
                    }
                },
                Polled::Held { .. } => {
                    self.held.insert(run.run_id, visit.opened_at());
                    visit.observer.note(Some(run), &answer.to_string());
                },
                Polled::Later { ref why } if *why == run.reason => {},
                Polled::Later { .. } | Polled::NotHarvested { .. } => {
                    visit.observer.note(Some(run), &answer.to_string());
                },
                Polled::Ended
                | Polled::Harvested { .. }
                | Polled::Full(_)
                | Polled::Failed { .. }
                | Polled::GivenBack { .. } => {
                    done.changed = true;
                    visit.observer.note(Some(run), &answer.to_string());
                },
            }
        }
        Ok(done)
    }

    /// Whether a run waits for a newer link than the present one.
    fn is_held(&self, visit: &Visit<'_>, run: &Run) -> bool {
        let waits = matches!(run.state, RunState::Auth(_));
        waits && self.held.get(&run.run_id) == Some(&visit.opened_at())
    }

    /// A claimed run whose own files here cannot be used is in error; the others go on.
    fn fail(
        &mut self,
        visit: &Visit<'_>,
        run: &Run,
        step: Step,
        why: &str,
    ) -> Result<(), StateError> {
        let act = Act::new(self.clock.now(), step.word(), why);
        self.store.fail(run.run_id, step, act)?;
        visit.observer.note(Some(run), &format!("error: {why}"));
        Ok(())
    }

    /// The site could not be asked: runs wait for a login, or for nothing but the next visit.
    ///
    /// # Errors
    /// What only a change of the configuration or of this host mends.
    async fn turned_away(
        &mut self,
        site_name: &str,
        runs: &[Run],
        error: LinkError,
        observer: &dyn Observer,
    ) -> Result<bool, RemoteError> {
        match error.remedy() {
            Remedy::Login => self.all_auth(site_name, runs, &error, observer).await,
            Remedy::Time => {
                observer.note(None, &format!("tried again later: {error}"));
                Ok(false)
            },
            Remedy::Change => Err(error.into()),
        }
    }

    /// The link is down: every run on the way waits in `auth`, but for those that someone else
    /// holds; says so once.
    async fn all_auth(
        &mut self,
        site_name: &str,
        runs: &[Run],
        error: &LinkError,
        observer: &dyn Observer,
    ) -> Result<bool, RemoteError> {
        let why = error.to_string();
        let is_active = |state| matches!(state, RunState::Active(_));
        let mut first = false;
        for run in runs.iter().filter(|run| is_active(run.state)) {
            if let Some(run) = self.take(run, is_active, observer)? {
                let act = Act::new(self.clock.now(), "link", &why);
                let down = self.store.advance(run.run_id, RunEvent::LinkDown, act);
                self.release(run.run_id)?;
                down?;
                first = true;
            }
        }
        if first {
            self.tell_down(site_name, &why, observer).await?;
        }
        Ok(first)
    }

    async fn tell_down(
        &mut self,
        site: &str,
        why: &str,
        observer: &dyn Observer,
    ) -> Result<(), StateError> {
        let standing = Standing::Down(why.to_owned());
        self.tell(site, &standing, observer).await
    }

    async fn tell(
        &mut self,
        site: &str,
        standing: &Standing,
        observer: &dyn Observer,
    ) -> Result<(), StateError> {
        let notify = &self.loaded.config.notify;
        let now = self.clock.now();
        let told = connection::observe(&mut self.store, notify, site, standing, true, now).await?;
        for line in told {
            observer.note(None, &line);
        }
        Ok(())
    }
}

impl Visit<'_> {
    fn left(&self, now: jiff::Timestamp) -> Option<std::time::Duration> {
        self.link.as_ref()?.left(now)
    }

    /// Whether what has passed of a run whose batch job runs is brought home now.
    fn is_harvested(&self, run: &Run, now: jiff::Timestamp) -> bool {
        let every = self.site.harvest_every.map(|every| every.0);
        self.work == Work::Harvest || poll::is_due(run, every, now)
    }

    fn opened_at(&self) -> Option<jiff::Timestamp> {
        self.link.as_ref()?.opened_at
    }
}
