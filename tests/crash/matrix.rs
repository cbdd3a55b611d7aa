//! At which steps to die, and lives that take place at once.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    ops::Range,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{life::Life, place::Place};

/// Of so many deaths one at most may not take place: how often a round finds nothing to do, and asks
/// again, differs from life to life, so that a step need not come as often as in the model.
const SURE: usize = 10;

/// Whether each step is tried, not the first of each name.
pub(crate) fn is_full() -> bool {
    std::env::var_os("OUTRIGGER_CRASH_FULL").is_some()
}

/// A life in which chance decides.
pub(crate) struct Random {
    /// What makes it happen again.
    pub(crate) which: String,
    seed: u64,
}

impl Random {
    pub(crate) fn chance(&self) -> fastrand::Rng {
        fastrand::Rng::with_seed(self.seed)
    }
}

/// So many lives of chance, ten times as many in the full form.
pub(crate) fn lives(count: u64) -> Vec<Random> {
    let seed = std::env::var("OUTRIGGER_CRASH_SEED");
    let seed: u64 = seed.map_or(20_261_128, |seed| seed.parse().unwrap());
    let count = if is_full() { 10 * count } else { count };
    let life = |number| Random {
        which: format!("seed {seed}, life {number}"),
        seed: seed.wrapping_mul(1000).wrapping_add(number),
    };
    (0..count).map(life).collect()
}

/// At which steps to die, given those of a life without death: the first `times` of each name.
pub(crate) fn deaths(steps: &[String], times: usize) -> Vec<String> {
    deaths_within(steps, 0..steps.len(), times)
}

/// The same of a part of that life.
pub(crate) fn deaths_within(steps: &[String], part: Range<usize>, times: usize) -> Vec<String> {
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut deaths = Vec::new();
    for (place, step) in steps.iter().enumerate() {
        let (count, of_part) = counts.entry(step).or_default();
        *count += 1;
        if !part.contains(&place) {
            continue;
        }
        *of_part += 1;
        if *of_part <= times || is_full() {
            deaths.push(format!("{step}#{count}"));
        }
    }
    deaths
}

/// Lets a life take place for each, so many at once.
pub(crate) fn each<T: Sync>(all: &[T], at_once: usize, life: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..at_once.min(all.len()) {
            scope.spawn(|| {
                while let Some(one) = all.get(next.fetch_add(1, Ordering::SeqCst)) {
                    life(one);
                }
            });
        }
    });
}

/// Lets a life take place with each death: all come to the end of `model`, in which nobody died; and
/// they go its way, as `way` tells it, where the name of what died begins with `died`.
pub(crate) fn all_come_to_the_end<P: Place, W: Debug + PartialEq + Sync>(
    deaths: &[String],
    at_once: usize,
    life: impl Fn() -> Life<P> + Sync,
    model: &Life<P>,
    (died, way): (&str, impl Fn(&Life<P>) -> W + Sync),
) {
    let (end, undisturbed) = (model.end(), way(model));
    let missed = Mutex::new(Vec::new());
    each(deaths, at_once, |death| {
        let life = life();
        life.drive(Some(death));
        if !life.has_died() {
            missed.lock().unwrap().push(death.clone());
        }
        life.is_sound(death);
        assert_eq!(life.end(), end, "{death}: {}", life.said());
        if death.starts_with(died) {
            assert_eq!(way(&life), undisturbed, "{death}: {}", life.said());
        }
    });
    let missed = missed.into_inner().unwrap();
    let died = deaths.len() - missed.len();
    eprintln!("{died} deaths of {}; none at {missed:#?}", deaths.len());
    assert!(died * SURE >= deaths.len() * (SURE - 1), "{missed:#?}");
}
