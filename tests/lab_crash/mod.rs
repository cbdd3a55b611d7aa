//! The crash matrix at a real Slurm: of the steps of a life there, some, at which who drives, the server,
//! the link, a worker, its coordinator or a node's slurmd (`slurmd`) dies. `OUTRIGGER_CRASH_FULL=1` tries each.

mod far;
mod slurmd;

use std::path::Path;

use self::far::{Beyond, Far};
use crate::{
    lab_harness::Lab,
    life::Life,
    linked::{Linked, whenever_it_is_cut},
    matrix::{all_come_to_the_end, deaths, is_full},
    served::{steps, whenever_it_dies},
};

/// Lives that take place at once: most of one is waiting.
const AT_ONCE: usize = 6;

/// A life in which no component is bundled again.
const SHORT: &str = "retries: 0";

/// Some of all deaths, evenly, at least so many; all in the full form.
fn sample(deaths: Vec<String>, count: usize) -> Vec<String> {
    assert!(deaths.len() >= count, "{deaths:#?}");
    let step = if is_full() { 1 } else { deaths.len() / count };
    deaths.into_iter().step_by(step).collect()
}

/// Sends the program that works there, which lives of any test find there; tells where it is.
fn send_worker(lab: &Lab) -> &'static str {
    let program = "/scratch/lanluser/crash/outrigger";
    lab.send(Path::new(env!("CARGO_BIN_EXE_outrigger")), program);
    program
}

#[test]
fn whenever_who_drives_dies_the_next_one_goes_on_to_the_same_end() {
    let lab = Lab::get();
    let life = || Life::there(|_| Far::new(&lab), SHORT);
    let model = life();
    model.drive(None);
    let deaths = sample(deaths(&model.steps(), 1), 12);
    let driver = ("remote run: ", Life::way);
    all_come_to_the_end(&deaths, AT_ONCE, life, &model, driver);
}

#[test]
fn whenever_the_server_dies_another_goes_on_to_the_same_end() {
    let lab = Lab::get();
    let life = || Life::there(|_| Far::new(&lab), SHORT);
    let model = life();
    model.drive(None);
    let end = model.end();
    let deaths = sample(deaths(&steps(life(), &end), 1), 12);
    let struck = whenever_it_dies(&deaths, AT_ONCE, life, &end);
    assert!(struck > 5, "{struck} of {}", deaths.len());
    eprintln!("{struck} deaths of the server");
}

#[test]
fn whenever_the_link_is_cut_the_life_goes_on_and_nothing_is_run_twice() {
    let lab = Lab::get();
    let model = Beyond::new(&lab, SHORT);
    model.drive(None);
    let deaths = sample(deaths(&model.life().steps(), 1), 16);
    let cuts = whenever_it_is_cut(&deaths, AT_ONCE, || Beyond::new(&lab, SHORT), &model);
    assert!(cuts > 8, "{cuts} of {}", deaths.len());
    eprintln!("{cuts} cuts");
}

#[test]
fn whenever_a_worker_or_the_coordinator_dies_the_end_is_the_same() {
    let lab = Lab::get();
    let program = send_worker(&lab);
    let site = format!(
        "launcher: worker\nworker: {{binary: {program}, silence: 5s}}\nnodes: {{cores: 2, min: 2, max: 2}}\n\
         retries: 2"
    );
    let life = || Life::there(|_| Far::new(&lab), &site);
    let model = life();
    model.drive(None);
    model.is_sound("no death");
    let mut steps = model.steps();
    steps.retain(|step| step.starts_with("worker "));
    let coordinator = ("worker coordinate", |life: &Life<Far<'_>>| life.way().begun);
    let deaths = sample(deaths(&steps, 1), 10);
    all_come_to_the_end(&deaths, AT_ONCE, life, &model, coordinator);
}
