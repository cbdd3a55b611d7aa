use proptest::prelude::*;

use super::*;
use crate::{
    allocator::{Kind, TaskLimits, Times},
    config::site::LauncherKind,
};

fn limits(max_nodes: u32) -> Limits {
    Limits {
        cores_per_node: 24,
        min_nodes: 1,
        max_nodes,
        min_walltime: Seconds(600),
        max_walltime: Seconds(8 * 3600),
        fill_factor: 0.7,
        array: None,
    }
}

/// Chips of about 150 s, with a tail.
fn chips() -> Times {
    let quantile = |n: u32| 150.0 * (f64::from(n) / 1000.0 - 0.5).mul_add(0.9, 0.0).exp();
    Times::fit((1..1000).map(quantile).collect(), None).unwrap()
}

fn wish(prefer: Prefer) -> Wish {
    let start = Start {
        launcher: LauncherKind::Chunks,
        ranks: 937,
        lanes: 1,
    };
    Wish {
        prefer,
        start,
        one_run: false,
        seed: 7,
    }
}

fn chip_load(times: &Times, jobs: u64) -> Load<'_> {
    Load::new(vec![Kind { jobs, times }])
}

fn request(jobs: u64, limits: &Limits, wish: Wish) -> Allocation {
    let times = chips();
    propose("chip", &chip_load(&times, jobs), 2, limits, wish).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_request() {
    let once = request(2000, &limits(40), wish(Prefer::Hours));
    assert_eq!(once, request(2000, &limits(40), wish(Prefer::Hours)));
    assert!(once.outlook.unwrap().overrun <= 0.15, "{once:?}");
}

#[test]
fn who_prefers_short_gets_less_walltime_and_who_prefers_wide_more_nodes() {
    let [hours, short, wide] = [Prefer::Hours, Prefer::Short, Prefer::Wide]
        .map(|prefer| request(3000, &limits(10), wish(prefer)));
    assert!(short.walltime < wide.walltime, "{short:?} {wide:?}");
    assert!(short.runs > wide.runs, "{short:?} {wide:?}");
    assert_eq!((hours.runs, wide.runs), (1, 1));
    assert!(wide.nodes >= hours.nodes, "{hours:?} {wide:?}");
    assert!(wide.walltime <= hours.walltime, "{hours:?} {wide:?}");
}

#[test]
fn tasks_that_do_not_help_each_other_are_given_more() {
    // Slots that pull lose nothing where an allocation is wide.
    let mut wish = wish(Prefer::Hours);
    wish.start.launcher = LauncherKind::Worker;
    let wide = request(2000, &limits(40), wish);
    let one = TaskLimits {
        nodes: 1,
        most: 1000,
    };
    let array = request(2000, &one.within(&limits(40)), wish);
    assert!(
        array.tasks.is_some_and(|tasks| tasks > 1 && tasks <= 40),
        "{array:?}"
    );
    assert!(array.core_hours >= wide.core_hours, "{array:?} {wide:?}");
    assert!(array.outlook.unwrap().overrun <= 0.15, "{array:?}");
}

#[test]
fn what_a_bundle_was_cut_to_fits_one_run() {
    let cut = request(40_000, &limits(4), wish(Prefer::Hours));
    assert!(cut.runs > 1, "{cut:?}");
    let one = Wish {
        one_run: true,
        ..wish(Prefer::Hours)
    };
    assert_eq!(request(cut.capacity_jobs, &limits(4), one).runs, 1);
}

#[test]
fn jobs_that_outlast_the_longest_walltime_are_refused() {
    let times = Times::fit(vec![40_000.0; 30], None).unwrap();
    let load = chip_load(&times, 10);
    let refused = propose("stack", &load, 2, &limits(4), wish(Prefer::Wide)).unwrap_err();
    assert!(
        matches!(refused, AllocationError::TooLong { .. }),
        "{refused}"
    );
    let wide = propose("stack", &load, 25, &limits(4), wish(Prefer::Wide)).unwrap_err();
    assert!(matches!(wide, AllocationError::TooWide { .. }), "{wide}");
}

#[test]
fn a_request_that_nobody_can_fill_says_so() {
    let times = chips();
    let few = propose(
        "chip",
        &chip_load(&times, 3),
        2,
        &limits(4),
        wish(Prefer::Hours),
    )
    .unwrap();
    assert!(
        few.notes
            .iter()
            .any(|note| note.starts_with("no request fills 70 %")),
        "{few:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_request_is_within_the_limits_and_has_room_for_all_jobs(
        jobs in 1..1500_u64,
        threads in 1..25_u32,
        nodes in 1..30_u32,
        prefer in prop::sample::select(vec![Prefer::Hours, Prefer::Short, Prefer::Wide]),
    ) {
        let (times, limits) = (chips(), limits(nodes));
        let given = propose("chip", &chip_load(&times, jobs), threads, &limits, wish(prefer)).unwrap();
        prop_assert!((limits.min_nodes..=limits.max_nodes).contains(&given.nodes));
        prop_assert!((limits.min_walltime..=limits.max_walltime).contains(&given.walltime));
        prop_assert!(u64::from(given.runs) * given.jobs_per_run >= jobs);
        prop_assert!(given.jobs_per_run <= given.capacity_jobs, "{:?}", given);
        let work = real(jobs) * times.mean() * f64::from(threads);
        prop_assert!(given.core_hours * 3600.0 >= work, "{:?}", given);
    }
}
