//! The crash matrix: whatever dies at whichever step of a run's life, the end is the one of a life
//! in which nobody died.
//!
//! The steps are those that a life without death takes (`src/durable`), so a new one is tried without
//! anyone remembering. `OUTRIGGER_CRASH_FULL=1` tries each step there is, not the first two of each
//! name, and ten times as many random lives: `benches/crash.sh`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed test says where"
)]

mod asked;
#[path = "crash/life.rs"]
mod life;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use life::Life;

/// Lives that take place at once: most of one is waiting.
const AT_ONCE: usize = 6;

fn is_full() -> bool {
    std::env::var_os("OUTRIGGER_CRASH_FULL").is_some()
}

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
    let (end, way) = (model.end(), model.way());
    let deaths = deaths(&model.steps());
    assert!(deaths.len() > 40, "{deaths:#?}");
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(death) = deaths.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let life = Life::new();
                    life.drive(Some(death));
                    life.is_sound(death);
                    assert_eq!(life.end(), end, "{death}: {}", life.said());
                    if death.starts_with("remote run: ") {
                        assert_eq!(life.way(), way, "{death}: {}", life.said());
                    }
                }
            });
        }
    });
    eprintln!("{} deaths", deaths.len());
}

/// At which steps to die, given those of a life without death.
fn deaths(steps: &[String]) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut deaths = Vec::new();
    for step in steps {
        let count = counts.entry(step).or_default();
        *count += 1;
        if *count <= 2 || is_full() {
            deaths.push(format!("{step}#{count}"));
        }
    }
    deaths
}

#[test]
fn two_drivers_and_the_batch_jobs_killed_at_random_times_come_to_the_same_end() {
    let model = Life::with_retries(6);
    model.drive(None);
    let end = model.end();
    let seed = std::env::var("OUTRIGGER_CRASH_SEED");
    let seed = seed.map_or(20_261_128, |seed| seed.parse().unwrap());
    let mut chance = fastrand::Rng::with_seed(seed);
    for round in 0..if is_full() { 30 } else { 3 } {
        let life = Life::with_retries(6);
        let mut drivers = [life.driver(None), life.driver(None)];
        for _ in 0..8 {
            let begin = Instant::now();
            let moment = Duration::from_millis(chance.u64(10..300));
            while begin.elapsed() < moment && drivers[0].try_wait().unwrap().is_none() {
                std::thread::park_timeout(Duration::from_millis(5));
            }
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
        let which = format!("seed {seed}, life {round}");
        life.is_sound(&which);
        assert_eq!(life.end(), end, "{which}: {}", life.said());
    }
}
