//! The crash matrix: whatever dies at whichever step of a run's life, the end is the one of a life
//! in which nobody died.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed test says where"
)]

#[path = "crash/life.rs"]
mod life;

use life::Life;

#[test]
fn a_life_without_death() {
    let life = Life::new();
    let begin = std::time::Instant::now();
    life.drive(None);
    eprintln!("took {:?}", begin.elapsed());
    life.is_sound("none");
    eprintln!("{:#?} {:#?}", life.end(), life.way());
    for step in life.steps() {
        eprintln!("{step}");
    }
    life.is_over();
}
