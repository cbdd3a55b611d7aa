//! Lives that a server drives by `remote.pro`: it dies at each step that it or a program of its
//! takes, and at random times; a new one goes on.

use std::process::Child;

use crate::{
    life::Life,
    matrix::{deaths, each, is_full, lives},
    served::{Served, steps, whenever_it_dies},
};

const AT_ONCE: usize = 6;

/// A short one, unless all is to be tried: a server starts a program for each step of a round.
fn life() -> Life {
    Life::with_retries(if is_full() { 2 } else { 0 })
}

#[test]
fn whenever_the_server_dies_another_goes_on_to_the_same_end() {
    let model = life();
    model.drive(None);
    let end = model.end();
    let deaths = deaths(&steps(life(), &end), 1);
    assert!(deaths.len() > 20, "{deaths:#?}");
    let struck = whenever_it_dies(&deaths, AT_ONCE, life, &end);
    assert!(struck > 20, "{struck} of {}", deaths.len());
    eprintln!("{struck} deaths of the server");
}

#[test]
fn a_server_that_dies_at_random_times_comes_to_the_same_end() {
    let model = life();
    model.drive(None);
    let end = model.end();
    each(&lives(1), AT_ONCE, |random| {
        let mut chance = random.chance();
        let served = Served::new(life());
        let mut deaths = 0;
        let strike = |server: &mut Child| {
            if deaths < 8 && chance.u8(..8) == 0 {
                deaths += 1;
                server.kill().unwrap();
            }
        };
        served.live(None, |life| life.is_at(&end), strike);
        served.is_as(&random.which, &end);
    });
}
