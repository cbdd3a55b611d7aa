//! The crash matrix: whatever dies at whichever step of a run's life, the end is the one of a life
//! in which nobody died.
//!
//! The steps are those that a life without death takes (`src/durable`), so a new one is tried without
//! anyone remembering: the driver, a batch job or its supervisor dies (here), the server that drives
//! by `remote.pro` (`server`), the link (`link`), a worker or its coordinator (`workers`); and all of it
//! where batch jobs are arrays (`arrays`), where one is harvested while it runs (`harvest`), and where
//! a run begins after another (`chain`).
//! `OUTRIGGER_CRASH_FULL=1` tries each step there is, not the first one or two of each name, and ten
//! times as many random lives: `benches/crash.sh`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed test says where"
)]

#[path = "crash/arrays.rs"]
mod arrays;
mod asked;
#[path = "crash/chain.rs"]
mod chain;
mod chained;
#[path = "crash/harvest.rs"]
mod harvest;
#[path = "crash/life.rs"]
mod life;
#[path = "crash/link.rs"]
mod link;
#[path = "crash/linked.rs"]
mod linked;
#[path = "crash/matrix.rs"]
mod matrix;
#[path = "crash/place.rs"]
mod place;
#[path = "crash/served.rs"]
mod served;
#[path = "crash/server.rs"]
mod server;
#[allow(
    dead_code,
    reason = "the harness of another test, of which this one needs a part"
)]
mod sshd;
mod until;
#[path = "crash/workers.rs"]
mod workers;

use std::time::Duration;

use life::{Life, ended_within};
use matrix::{all_come_to_the_end, deaths, each, lives};

/// Lives that take place at once: most of one is waiting.
const AT_ONCE: usize = 6;

#[test]
fn a_life_without_death_retries_what_failed_and_comes_to_its_end() {
    let life = Life::new();
    life.drive(None);
    life.is_sound("no death");
    let way = life.way();
    let begun = |job: &str| way.begun[job];
    assert_eq!((begun("1.x"), begun("1.y"), begun("2.x")), (1, 2, 3));
    assert_eq!(way.runs.len(), 5, "{way:#?}");
    life.is_over();
}

#[test]
fn whatever_dies_at_whichever_step_the_end_is_the_same() {
    let model = Life::new();
    model.drive(None);
    let deaths = deaths(&model.steps(), 2);
    assert!(deaths.len() > 40, "{deaths:#?}");
    let driver = ("remote run: ", Life::way);
    all_come_to_the_end(&deaths, AT_ONCE, Life::new, &model, driver);
}

#[test]
fn two_drivers_and_the_batch_jobs_killed_at_random_times_come_to_the_same_end() {
    let model = Life::with_retries(6);
    model.drive(None);
    let end = model.end();
    each(&lives(3), AT_ONCE / 2, |random| {
        let (which, mut chance) = (&random.which, random.chance());
        let life = Life::with_retries(6);
        let mut drivers = [life.driver(None), life.driver(None)];
        for _ in 0..8 {
            ended_within(&mut drivers[0], Duration::from_millis(chance.u64(10..300)));
            if chance.u8(..4) == 0 {
                life.strike(|count| chance.usize(..count));
                continue;
            }
            let dead = &mut drivers[chance.usize(..2)];
            dead.kill().unwrap();
            dead.wait().unwrap();
            *dead = life.driver(None);
        }
        for mut driver in drivers {
            driver.wait().unwrap();
        }
        life.drive(None);
        life.is_sound(which);
        assert_eq!(life.end(), end, "{which}: {}", life.said());
    });
}
