//! Lives whose jobs are run by workers: a worker or the coordinator dies at each step of its own, and
//! any process of the allocation at random times.

use std::time::Duration;

use crate::{
    life::{Life, ended_within},
    matrix::{all_come_to_the_end, deaths, each, lives},
};

const AT_ONCE: usize = 6;

/// With two workers for each run, and time for what the dead of a life take from a job's tries.
fn life(retries: u32) -> Life {
    Life::at(&format!(
        "launcher: worker\nworker: {{silence: 5s}}\nnodes: {{cores: 2, min: 2, max: 2}}\nretries: {retries}"
    ))
}

#[test]
fn whenever_a_worker_or_the_coordinator_dies_the_end_is_the_same() {
    let model = life(2);
    model.drive(None);
    model.is_sound("no death");
    let way = model.way();
    assert_eq!((way.begun["1.y"], way.begun["2.x"]), (2, 3), "{way:#?}");
    let mut steps = model.steps();
    steps.retain(|step| step.starts_with("worker "));
    let deaths = deaths(&steps, 2);
    assert!(deaths.len() > 12, "{deaths:#?}");
    // What ran when its worker died is run again, and nothing else is.
    let coordinator = ("worker coordinate", |life: &Life| life.way().begun);
    all_come_to_the_end(&deaths, AT_ONCE, || life(2), &model, coordinator);
}

#[test]
fn processes_of_an_allocation_killed_at_random_times_come_to_the_same_end() {
    let model = life(6);
    model.drive(None);
    let end = model.end();
    each(&lives(1), AT_ONCE, |random| {
        let (which, mut chance) = (&random.which, random.chance());
        let life = life(6);
        let mut driver = life.driver(None);
        let mut strikes = 0;
        while driver.try_wait().unwrap().is_none() {
            let moment = Duration::from_millis(chance.u64(10..400));
            ended_within(&mut driver, moment);
            if strikes < 5 {
                strikes += 1;
                life.strike(|count| chance.usize(..count));
            }
        }
        life.drive(None);
        life.is_sound(which);
        assert_eq!(life.end(), end, "{which}: {}", life.said());
    });
}
