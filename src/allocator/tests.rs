use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn lanl() -> Limits {
    Limits {
        cores_per_node: 24,
        min_nodes: 1,
        max_nodes: 1000,
        min_walltime: Seconds(3600),
        max_walltime: Seconds(8 * 3600),
        fill_factor: 0.8,
        array: None,
    }
}

fn uhcray() -> Limits {
    Limits {
        cores_per_node: 20,
        max_nodes: 10,
        ..lanl()
    }
}

fn work(stage: &str, jobs: u64) -> Work {
    Work {
        stage: stage.to_owned(),
        jobs,
        threads: 2,
        seconds_per_job: ipp_cost(stage).map_or(60.0, |cost| number::real(cost.0)),
        longest: None,
    }
}

#[test]
fn the_notes_example_asks_for_162_nodes_and_fills_0_797_of_an_hour() {
    let allocation = allocate(Formula::Seed, &work("chip", 37_200), &lanl()).unwrap();
    assert_eq!(
        (allocation.nodes, allocation.walltime),
        (162, Seconds(3600))
    );
    assert!((allocation.fill - 0.79733).abs() < 5e-6, "{allocation:?}");
    assert!((allocation.core_hours - 3888.0).abs() < 1e-9);
    assert!(allocation.notes.is_empty());
}

#[rstest]
#[case::chips(lanl(), "chip", 37_200, 162, 2)]
#[case::fewer_chips(lanl(), "chip", 30_000, 131, 2)]
#[case::one_exposure(lanl(), "chip", 60, 1, 2)]
#[case::cameras(lanl(), "camera", 500, 25, 2)]
#[case::cameras_by_their_short_name(lanl(), "cam", 500, 25, 2)]
#[case::warps(lanl(), "warp", 3750, 12, 2)]
#[case::stacks(lanl(), "stack", 50, 9, 3)]
#[case::static_sky(lanl(), "staticsky", 500, 315, 3)]
#[case::differences(lanl(), "diff", 35_000, 304, 2)]
#[case::full_force(lanl(), "ff", 5000, 44, 2)]
#[case::beyond_the_maxima(lanl(), "chip", 2_400_000, 1000, 9)]
#[case::a_small_cluster(uhcray(), "chip", 30_000, 10, 9)]
#[case::stacks_on_a_small_cluster(uhcray(), "stack", 50, 9, 3)]
fn the_final_formula_of_the_original_gives_its_test_vectors(
    #[case] limits: Limits,
    #[case] stage: &str,
    #[case] jobs: u64,
    #[case] nodes: u32,
    #[case] hours: u64,
) {
    let odd = Work {
        threads: 7,
        seconds_per_job: 1e6,
        ..work(stage, jobs)
    };
    let allocation = allocate(Formula::Ipp, &odd, &limits).unwrap();
    assert_eq!(
        (allocation.nodes, allocation.walltime),
        (nodes, Seconds(hours * 3600))
    );
    assert_eq!((allocation.runs, allocation.jobs_per_run), (1, jobs));
}

#[test]
fn the_original_says_when_its_request_breaks_the_limits_or_cannot_hold_the_work() {
    let allocation = allocate(Formula::Ipp, &work("chip", 30_000), &uhcray()).unwrap();
    insta::assert_snapshot!(allocation.notes.join("\n"), @"
    30000 jobs need 125.0 node-hours, more than the site's limits hold in one run
    a walltime of 9:00:00 is over the site's 8:00:00
    the request holds only 72 % of the work
    ");
}

#[test]
fn a_stage_without_a_constant_keeps_its_own_cost_in_the_original_formula() {
    let allocation = allocate(Formula::Ipp, &work("photometry", 6000), &lanl()).unwrap();
    assert_eq!(allocation.nodes, 11);
    insta::assert_snapshot!(allocation.notes.join("\n"), @"stage photometry is not in the formula's table of costs: 60 s a job are the recipe's");
}

#[test]
fn the_default_agrees_with_the_notes_where_nothing_is_bounded() {
    let allocation = allocate(Formula::Bounded, &work("chip", 37_200), &lanl()).unwrap();
    assert_eq!(
        (allocation.nodes, allocation.walltime),
        (162, Seconds(3600))
    );
    assert_eq!(allocation.runs, 1);
}

#[test]
fn an_oversized_bundle_is_split_into_even_runs_within_the_limits() {
    let allocation = allocate(Formula::Bounded, &work("chip", 30_000), &uhcray()).unwrap();
    assert_eq!((allocation.runs, allocation.jobs_per_run), (2, 15_000));
    assert_eq!(allocation.capacity_jobs, 15_360);
    assert_eq!(
        (allocation.nodes, allocation.walltime),
        (10, Seconds(28_140))
    );
    insta::assert_snapshot!(allocation.notes.join("\n"), @"30000 jobs are more than one run of this site holds (15360): split into 2 runs");
}

#[test]
fn the_json_has_the_promised_keys() {
    let allocation = allocate(Formula::Bounded, &work("chip", 37_200), &lanl()).unwrap();
    insta::assert_snapshot!(serde_json::to_string(&allocation).unwrap(), @r#"{"formula":"bounded","nodes":162,"walltime_hours":1.0,"runs":1,"jobs_per_run":37200,"core_hours":3888.0,"fill":0.7973251028806584,"notes":[]}"#);
}

#[test]
fn long_jobs_are_not_counted_in_fractions() {
    let limits = Limits {
        max_nodes: 1,
        cores_per_node: 2,
        fill_factor: 1.0,
        ..lanl()
    };
    let long = Work {
        seconds_per_job: 5.0 * 3600.0,
        ..work("stack", 3)
    };
    let allocation = allocate(Formula::Bounded, &long, &limits).unwrap();
    assert_eq!((allocation.runs, allocation.jobs_per_run), (3, 1));
}

#[test]
fn the_walltime_holds_the_longest_job() {
    let uneven = Work {
        longest: Some(6.5 * 3600.0),
        ..work("chip", 100)
    };
    let allocation = allocate(Formula::Bounded, &uneven, &lanl()).unwrap();
    assert_eq!(allocation.walltime, Seconds(6 * 3600 + 1800));
}

#[test]
fn cores_that_no_job_can_use_are_named() {
    let wide = Work {
        threads: 10,
        ..work("chip", 1000)
    };
    let allocation = allocate(Formula::Bounded, &wide, &lanl()).unwrap();
    insta::assert_snapshot!(allocation.notes.join("\n"), @"4 of 24 cores of each node stay idle: jobs take 10 each");
}

#[rstest]
#[case(
    Work { threads: 25, ..work("chip", 1) },
    lanl(),
    "a job of stage chip needs 25 cores, but a node has 24: lower the recipe's cost.threads, or use a site with larger nodes"
)]
#[case(
    Work { longest: Some(30_000.0), ..work("chip", 1) },
    lanl(),
    "a job of stage chip takes 30000 s, but the longest walltime is 8:00:00: split the job, or raise the site's walltime.max"
)]
#[case(
    work("chip", 0),
    lanl(),
    "stage chip has no jobs: there is nothing to allocate"
)]
#[case(
    Work { seconds_per_job: f64::NAN, ..work("chip", 1) },
    lanl(),
    "stage chip: 2 threads for NaN s is no cost of a job: both must be above 0"
)]
#[case(
    Work { threads: 0, ..work("chip", 1) },
    lanl(),
    "stage chip: 0 threads for 150 s is no cost of a job: both must be above 0"
)]
#[case(
    work("chip", 1),
    Limits { min_nodes: 2, max_nodes: 1, ..lanl() },
    "the site's limits make no sense: nodes.min is above nodes.max"
)]
#[case(
    work("chip", 1),
    Limits { fill_factor: f64::NAN, ..lanl() },
    "the site's limits make no sense: fill_factor is not above 0 and at most 1"
)]
#[case(
    Work { seconds_per_job: 20_000.0, ..work("chip", u64::MAX) },
    Limits { max_nodes: 1, cores_per_node: 2, ..lanl() },
    "18446744073709551615 jobs of stage chip are more than 4294967295 runs hold: define less at once"
)]
fn what_cannot_be_allocated_is_named_with_the_mend(
    #[case] work: Work,
    #[case] limits: Limits,
    #[case] message: &str,
) {
    let error = allocate(Formula::Bounded, &work, &limits).unwrap_err();
    assert_eq!(error.to_string(), message);
}

fn any_limits() -> impl Strategy<Value = Limits> {
    (
        1..200_u32,
        1..50_u32,
        0..2000_u32,
        0..10_000_u64,
        0..100_000_u64,
        0.05..1.0_f64,
    )
        .prop_map(
            |(cores, nodes, more_nodes, seconds, more_seconds, fill)| Limits {
                cores_per_node: cores,
                min_nodes: nodes,
                max_nodes: nodes + more_nodes,
                min_walltime: Seconds(seconds),
                max_walltime: Seconds(seconds + more_seconds + 1),
                fill_factor: fill,
                array: None,
            },
        )
}

fn any_work() -> impl Strategy<Value = Work> {
    (
        1..3_000_000_u64,
        1..64_u32,
        0.01..20_000.0_f64,
        prop::option::of(0.01..40_000.0_f64),
    )
        .prop_map(|(jobs, threads, seconds_per_job, longest)| Work {
            stage: "chip".to_owned(),
            jobs,
            threads,
            seconds_per_job,
            longest,
        })
}

/// Whether a request holds `jobs`, up to rounding.
fn holds(work: &Work, limits: &Limits, nodes: u32, walltime: u64, jobs: u64) -> bool {
    let slots = number::real(u64::from(nodes * (limits.cores_per_node / work.threads)));
    let seconds = number::real(walltime);
    let longest = work.longest.unwrap_or(0.0).max(work.seconds_per_job);
    let jobs = number::real(jobs);
    let by_fill =
        slots * seconds * limits.fill_factor >= jobs * work.seconds_per_job * (1.0 - 1e-9);
    let turns = (seconds / work.seconds_per_job * (1.0 + 1e-9)).floor();
    by_fill && slots * turns >= jobs && seconds >= longest
}

proptest! {
    #[test]
    fn the_default_stays_within_the_limits_and_holds_the_work(
        work in any_work(), limits in any_limits(),
    ) {
        let Ok(allocation) = allocate(Formula::Bounded, &work, &limits) else {
            return Err(TestCaseError::reject("does not fit"));
        };
        let Allocation { nodes, walltime, runs, jobs_per_run, .. } = allocation;
        prop_assert!((limits.min_nodes..=limits.max_nodes).contains(&nodes));
        prop_assert!((limits.min_walltime..=limits.max_walltime).contains(&walltime));
        prop_assert!(u64::from(runs) * jobs_per_run >= work.jobs);
        prop_assert!(jobs_per_run <= allocation.capacity_jobs);
        prop_assert!(
            jobs_per_run == 1 || holds(&work, &limits, nodes, walltime.0, jobs_per_run),
            "{:?}", allocation
        );
        prop_assert!(allocation.fill > 0.0 && allocation.fill <= 1.0 + 1e-9);
    }

    #[test]
    fn the_default_asks_for_no_node_and_no_minute_too_many(
        work in any_work(), limits in any_limits(),
    ) {
        let Ok(allocation) = allocate(Formula::Bounded, &work, &limits) else {
            return Err(TestCaseError::reject("does not fit"));
        };
        let Allocation { nodes, walltime, jobs_per_run, .. } = allocation;
        let less_work = Work {
            seconds_per_job: work.seconds_per_job * (1.0 - 1e-6),
            longest: work.longest.map(|longest| longest * (1.0 - 1e-6)),
            ..work.clone()
        };
        let slack = |nodes, walltime| {
            !holds(&work, &limits, nodes, walltime, jobs_per_run)
                || !holds(&less_work, &limits, nodes, walltime, jobs_per_run)
        };
        prop_assert!(nodes == limits.min_nodes || slack(nodes - 1, walltime.0));
        if let Some(shorter) = walltime.0.checked_sub(61) {
            prop_assert!(shorter < limits.min_walltime.0 || slack(nodes, shorter));
        }
    }

    #[test]
    fn more_jobs_never_need_fewer_runs(
        work in any_work(), limits in any_limits(), more in 0..1_000_000_u64,
    ) {
        let larger = Work { jobs: work.jobs + more, ..work.clone() };
        let few = allocate(Formula::Bounded, &work, &limits);
        let many = allocate(Formula::Bounded, &larger, &limits);
        prop_assert_eq!(few.is_ok(), many.is_ok());
        if let (Ok(few), Ok(many)) = (few, many) {
            prop_assert!(few.runs <= many.runs);
        }
    }

    #[test]
    fn no_formula_panics_on_extreme_numbers(
        jobs in any::<u64>(), threads in any::<u32>(), seconds in any::<f64>(),
        cores in any::<u32>(), nodes in any::<u32>(), walltime in any::<u64>(),
    ) {
        let work = Work { stage: "stack".into(), jobs, threads, seconds_per_job: seconds, longest: None };
        let limits = Limits {
            cores_per_node: cores,
            min_nodes: 0,
            max_nodes: nodes,
            min_walltime: Seconds(0),
            max_walltime: Seconds(walltime),
            fill_factor: 0.8,
            array: None,
        };
        for formula in [Formula::Seed, Formula::Ipp, Formula::Bounded] {
            let _either = allocate(formula, &work, &limits);
        }
    }

    #[test]
    fn a_split_keeps_every_component_once_in_order_and_within_the_capacity(
        jobs in prop::collection::vec(0..90_u32, 0..60), capacity in 0..400_u64,
    ) {
        let parts = split(&jobs, capacity);
        let covered: Vec<usize> = parts.iter().flat_map(|part| part.components.clone()).collect();
        prop_assert_eq!(covered, (0..jobs.len()).collect::<Vec<_>>());
        for part in &parts {
            let sum: u64 = jobs[part.components.clone()].iter().copied().map(u64::from).sum();
            prop_assert_eq!(part.jobs, sum);
            prop_assert!(!part.components.is_empty());
            if part.oversized {
                prop_assert_eq!(part.components.len(), 1);
            }
            prop_assert_eq!(part.oversized, part.jobs > capacity);
        }
    }

    #[test]
    fn a_split_has_the_fewest_parts_and_of_these_the_smallest_largest(
        jobs in prop::collection::vec(0..20_u32, 1..9), capacity in 0..40_u64,
    ) {
        let best = (0..1_u32 << (jobs.len() - 1))
            .filter_map(|cuts| score(&jobs, capacity, cuts))
            .min();
        let parts = split(&jobs, capacity);
        let largest = parts.iter().filter(|part| !part.oversized).map(|part| part.jobs).max();
        prop_assert_eq!(Some((parts.len(), largest)), best);
    }
}

/// Number of parts and largest part that fits, when a bundle is cut behind the components whose
/// bits are set; `None` if such a cut is not allowed.
fn score(jobs: &[u32], capacity: u64, cuts: u32) -> Option<(usize, Option<u64>)> {
    let mut parts = vec![Vec::new()];
    for (index, count) in jobs.iter().enumerate() {
        parts.last_mut().unwrap().push(u64::from(*count));
        if cuts >> index & 1 == 1 {
            parts.push(Vec::new());
        }
    }
    let sums: Vec<u64> = parts.iter().map(|part| part.iter().sum()).collect();
    let allowed = parts
        .iter()
        .zip(&sums)
        .all(|(part, sum)| part.len() == 1 || *sum <= capacity);
    let largest = sums.iter().copied().filter(|sum| *sum <= capacity).max();
    allowed.then_some((parts.len(), largest))
}

#[test]
fn a_split_makes_even_runs_and_no_more_than_needed() {
    let parts = split(&[60; 101], 5000);
    let jobs: Vec<_> = parts.iter().map(|part| part.jobs).collect();
    assert_eq!(jobs, [3060, 3000]);
}

#[test]
fn a_component_that_exceeds_the_capacity_is_a_marked_run_of_its_own() {
    let parts = split(&[3, 50, 4, 2], 10);
    let shown: Vec<_> = parts
        .into_iter()
        .map(|part| (part.components, part.jobs, part.oversized))
        .collect();
    assert_eq!(
        shown,
        [(0..1, 3, false), (1..2, 50, true), (2..4, 6, false)]
    );
}
