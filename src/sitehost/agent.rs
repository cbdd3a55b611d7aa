//! What the controller hears and says: the agent of a machine that is a batch site. All that it
//! knows is in state.db, so it may die at any moment.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::{Notify, mpsc},
    time::{MissedTickBehavior, interval, sleep},
};

use super::{
    SiteHostError,
    journey::{End, Journey},
};
use crate::{
    engine::clock::Clock,
    pclient::{
        outgoing::Outgoing,
        streams::{Input, Output},
        wire::{Decoder, Frame, Order, PROTOCOL, WELCOME, Welcome, Word, put_message},
    },
    process::{Captured, Completion},
    state::{
        Store,
        site_job::{Owner, SiteJob},
    },
};

/// How often it says that it is there.
const BEAT: Duration = Duration::from_secs(5);
/// Room for what comes at once.
const ROOM: usize = 64 << 10;
/// Shortest and longest time between two looks at a site here.
const NEAR: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// The same where it is behind a link.
const FAR: (Duration, Duration) = (Duration::from_secs(2), Duration::from_mins(1));

/// What the journey tells the conversation.
#[derive(Debug)]
enum News {
    Begun(u64),
    Ended(u64),
}

/// How a conversation ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parting {
    /// The connection is gone; the jobs go on.
    Lost,
    /// All is to end.
    Bye,
}

/// The conversation's side.
pub(super) struct Agent<'a> {
    pub(super) owner: Owner,
    pub(super) store: Store,
    pub(super) clock: &'a dyn Clock,
    pub(super) cores: u32,
}

/// Serves one connection, while the jobs are on their way.
pub(super) async fn serve(
    agent: &mut Agent<'_>,
    journey: &mut Journey,
    decoder: Decoder,
    input: Input,
    output: &mut Output,
) -> Result<Parting, SiteHostError> {
    let wanted = Notify::new();
    let (tell, news) = mpsc::unbounded_channel();
    tokio::select! {
        parting = agent.talk(decoder, input, output, news, &wanted) => parting,
        error = travel(journey, &wanted, &tell) => Err(error),
    }
}

/// Goes round after round. Only state.db refusing ends it.
async fn travel(
    journey: &mut Journey,
    wanted: &Notify,
    tell: &mpsc::UnboundedSender<News>,
) -> SiteHostError {
    use super::journey::JourneyError;
    let (shortest, longest) = if journey.is_far() { FAR } else { NEAR };
    let mut wait = shortest;
    let mut complaint = String::new();
    loop {
        let next = match journey.round().await {
            Ok(round) => {
                complaint.clear();
                let changed = !round.ended.is_empty();
                for run in round.begun {
                    drop(tell.send(News::Begun(run)));
                }
                for run in round.ended {
                    drop(tell.send(News::Ended(run)));
                }
                wait = if changed {
                    shortest
                } else {
                    (wait * 3 / 2).min(longest)
                };
                match (round.is_busy, round.next) {
                    (true, Some(next)) => Some(next.min(wait)),
                    (true, None) => Some(wait),
                    (false, next) => next,
                }
            },
            Err(JourneyError::State(error)) => return error.into(),
            Err(error) => {
                let text = error.to_string();
                if text != complaint {
                    eprintln!("site {}: {text}", journey.owner.site);
                    complaint = text;
                }
                wait = (wait * 3 / 2).min(longest);
                Some(wait)
            },
        };
        let pause = async {
            match next {
                Some(next) => sleep(next).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = pause => {},
            () = wanted.notified() => wait = shortest,
        }
    }
}

impl Agent<'_> {
    async fn talk(
        &mut self,
        mut decoder: Decoder,
        mut input: Input,
        output: &mut Output,
        mut news: mpsc::UnboundedReceiver<News>,
        wanted: &Notify,
    ) -> Result<Parting, SiteHostError> {
        let jobs = self.store.site_jobs(&self.owner)?;
        let mut bytes = self.welcome(&jobs);
        let mut written = 0;
        let mut outgoing = Outgoing::default();
        for job in jobs.iter().filter(|job| job.ended.is_some()) {
            self.tell_end(job.run, &mut outgoing)?;
        }
        let (mut beat, mut beats) = (interval(BEAT), 0);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            while let Some(frame) = decoder.frame::<Order>()? {
                if let Frame::Message(order) = frame
                    && !self.heed(order, &mut outgoing, wanted)?
                {
                    return Ok(Parting::Bye);
                }
            }
            if written == bytes.len() {
                bytes.clear();
                written = 0;
                outgoing.fill(&mut bytes);
            }
            let left = bytes.get(written..).unwrap_or_default();
            let room = decoder.room();
            room.reserve(ROOM);
            tokio::select! {
                read = input.read_buf(room) => if read? == 0 {
                    return Ok(Parting::Lost);
                },
                wrote = output.write(left), if !left.is_empty() => written += wrote?,
                Some(news) = news.recv() => match news {
                    News::Begun(run) => outgoing.say(Word::Started { run, pid: 0 }),
                    News::Ended(run) => self.tell_end(run, &mut outgoing)?,
                },
                _ = beat.tick() => if !outgoing.has_beat() {
                    beats += 1;
                    outgoing.say(Word::Beat { beat: beats });
                },
            }
            output.flush().await?;
        }
    }

    /// Does what an order says; false where all is to end.
    fn heed(
        &mut self,
        order: Order,
        outgoing: &mut Outgoing,
        wanted: &Notify,
    ) -> Result<bool, SiteHostError> {
        match order {
            Order::Start(start) => {
                // Plain data with text keys always has a JSON form.
                let text = serde_json::to_string(&start).unwrap_or_default();
                let now = self.clock.now();
                self.store
                    .add_site_job(&self.owner, start.run, &text, now)?;
                wanted.notify_one();
            },
            Order::Kill { run } => {
                self.store.kill_site_job(&self.owner, run)?;
                wanted.notify_one();
            },
            Order::Taken { run } => self.store.forget_site_job(&self.owner, run)?,
            Order::Heard { .. } => {},
            Order::Credit { bytes } => outgoing.credit(bytes),
            Order::Bye => return Ok(false),
        }
        Ok(true)
    }

    fn tell_end(&self, run: u64, outgoing: &mut Outgoing) -> Result<(), SiteHostError> {
        let Some(end) = self.store.site_job_end(&self.owner, run)? else {
            return Ok(());
        };
        let read = serde_json::from_str(&end.ended);
        let End { outcome, seconds } = read.map_err(std::io::Error::from)?;
        let completion = Completion {
            id: run,
            outcome,
            stdout: Captured::text(end.stdout),
            stderr: Captured::text(end.stderr),
            wall: Duration::from_secs(seconds),
            usage: None,
            hung: false,
        };
        outgoing.end(run, Arc::new(completion));
        Ok(())
    }

    fn welcome(&self, jobs: &[SiteJob]) -> Vec<u8> {
        let site = &self.owner.site;
        let welcome = Welcome {
            incarnation: format!("{:016x}", fastrand::u64(..)),
            account: format!("site:{site}"),
            host: format!("batch site {site}"),
            cores: usize::try_from(self.cores).unwrap_or(usize::MAX),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            runs: jobs.iter().map(|job| job.run).collect(),
        };
        let text = serde_json::to_string(&welcome).unwrap_or_default();
        format!("\n{WELCOME} {PROTOCOL} {text}\n").into_bytes()
    }
}

/// Tells the controller that nothing of its jobs is left.
pub(super) async fn say_gone(output: &mut Output) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    put_message(&mut bytes, &Word::Gone);
    output.write_all(&bytes).await?;
    output.flush().await
}
