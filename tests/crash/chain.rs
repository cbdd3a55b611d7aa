//! Lives of two runs of which the second one is submitted to begin after the batch job of the first
//! one, which makes what it reads.

use std::path::PathBuf;

use crate::{
    chained::{STAGE_A, STAGE_B},
    life::Life,
    matrix::{deaths, each},
};

const AT_ONCE: usize = 12;

/// The first batch job goes on until the second one is in the queue.
fn life() -> Life {
    let life = Life::at("retries: 2\nchain: true");
    let wait = "until ls outrigger/*b.*/*.submit >/dev/null 2>&1; do sleep 0.05; done &&";
    life.write("stages/a.yaml", &STAGE_A.replace("WAIT", wait));
    life.write("stages/b.yaml", STAGE_B);
    life.write("things.csv", "stage_id\n1\n");
    life
}

/// Runs as they ended, and what is home.
fn end(life: &Life) -> (Vec<String>, String) {
    let runs = life.ask(
        "SELECT stage || ' ' || state || ' ' || passed || ' of ' || jobs FROM runs ORDER BY run_id",
    );
    let product: PathBuf = life.path().join("products/1");
    (runs, std::fs::read_to_string(product).unwrap_or_default())
}

#[test]
fn whoever_drives_a_chained_pair_dies_at_whichever_step_the_end_is_the_same() {
    let model = life();
    let driven = model.driver(None).wait().unwrap();
    assert!(driven.success(), "{}", model.said());
    let awaited = model.ask("SELECT 'run ' || run_id || ' after ' || by_run FROM awaited");
    assert_eq!(awaited, ["run 2 after 1"]);
    let undisturbed = end(&model);
    assert_eq!(undisturbed.0, ["a full 1 of 1", "b full 1 of 1"]);
    let mut steps = model.steps();
    steps.retain(|step| step.starts_with("remote run: "));
    let deaths = deaths(&steps, 1);
    assert!(deaths.len() > 15, "{deaths:#?}");
    each(&deaths, AT_ONCE, |death| {
        let life = life();
        let mut driven = life.driver(Some(death)).wait().unwrap();
        assert!(!driven.success(), "{death} never came");
        for _ in 0..3 {
            driven = life.driver(None).wait().unwrap();
            if driven.success() {
                break;
            }
        }
        assert!(driven.success(), "{death}: {}", life.said());
        assert_eq!(end(&life), undisturbed, "{death}: {}", life.said());
        life.is_submitted_once(death);
    });
    eprintln!("{} deaths of who drives a chained pair", deaths.len());
}
