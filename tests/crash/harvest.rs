//! Lives in which what has passed is imported while its batch job still runs: a job of it waits for
//! what another stage makes of that.

use crate::{
    life::{FAULT, Life, Way},
    matrix::{all_come_to_the_end, deaths_within},
};

const AT_ONCE: usize = 12;

/// 1.x waits for what stage `b` makes of 3, of which both jobs pass the first time.
fn life() -> Life {
    let life = Life::at("retries: 2\nharvest_every: 0s");
    let wait = "case {{ out }} in *1.x) until [ -e sums/3 ]; do sleep 0.05; done;; esac";
    life.before_each_job(&format!("{wait}; {FAULT}"));
    life
}

/// Which of two runs is defined first depends on when a round finds what has passed.
fn sorted(mut way: Way) -> Way {
    way.runs.sort();
    way
}

#[test]
fn what_has_passed_is_imported_once_while_its_batch_job_runs_whoever_dies() {
    let model = life();
    model.drive(None);
    model.is_sound("no death");
    let plain = Life::new();
    plain.drive(None);
    assert_eq!(model.end(), plain.end());
    let steps = model.steps();
    // While the first batch job runs; the one that ends first is that of 3 in stage `b`.
    let at = |step: &str, nth: usize| {
        let mut found = (0..).zip(&steps).filter(|(_, one)| one.ends_with(step));
        found.nth(nth).unwrap().0
    };
    let window = at("rename started.json", 0)..at("rename ended.json", 1);
    let deaths = deaths_within(&steps, window, 1);
    assert!(deaths.len() > 20, "{deaths:#?}");
    let driver = ("remote run: ", |life: &Life| sorted(life.way()));
    all_come_to_the_end(&deaths, AT_ONCE, life, &model, driver);
}
