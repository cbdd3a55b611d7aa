use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn claim(word: &str) -> Claim {
    let (word, touches) = match word.split_once('@') {
        Some((word, host)) => (word, vec![host.to_owned()]),
        None => (word, Vec::new()),
    };
    let (word, priority) = match word.split_once('^') {
        Some((word, priority)) => (word, priority.parse().unwrap()),
        None => (word, 0),
    };
    let wish = match word.split_at(1) {
        ("=", host) => Wish::Required(host.to_owned()),
        ("~", host) => Wish::Desired(host.to_owned()),
        _ => Wish::Any,
    };
    Claim {
        wish,
        touches,
        priority,
    }
}

fn pool(hosts: &[&str]) -> Pool {
    let mut pool = Pool::default();
    for host in hosts {
        pool.add(host, 1);
        pool.set_up(host, true);
    }
    pool
}

fn seated(pool: &mut Pool, now: Instant) -> Vec<u64> {
    pool.assign(now).iter().map(|seat| seat.job).collect()
}

/// One slot on `po1`; jobs that wait for so many seconds: `=` requires, `~` desires, `^` has
/// a priority.
#[rstest]
#[case::required_here_first(&["*", "~po1", "=po1"], 0, Some(3))]
#[case::then_desired_here(&["*", "~po1", "~po2"], 0, Some(2))]
#[case::then_any(&["~po2", "*", "=po2"], 60, Some(2))]
#[case::desired_elsewhere_not_before_10_s(&["~po2"], 9, None)]
#[case::desired_elsewhere_after_10_s(&["=po2", "~po2"], 10, Some(2))]
#[case::required_elsewhere_never(&["=po2"], 100_000, None)]
#[case::first_in_first_out(&["*", "*"], 0, Some(1))]
#[case::names_in_any_case(&["=PO1"], 0, Some(1))]
#[case::a_higher_priority_first(&["*", "*^3", "*^2"], 0, Some(2))]
#[case::a_lower_priority_last(&["*^-1", "*"], 0, Some(2))]
fn an_idle_slot_takes(#[case] claims: &[&str], #[case] seconds: u64, #[case] taken: Option<u64>) {
    let mut pool = pool(&["po1"]);
    let start = Instant::now();
    for (job, word) in (1..).zip(claims) {
        pool.wait(job, claim(word), start);
    }
    let now = start + Duration::from_secs(seconds);
    assert_eq!(seated(&mut pool, now), Vec::from_iter(taken));
}

#[test]
fn only_so_many_jobs_work_on_a_hosts_disks_from_elsewhere() {
    let mut pool = pool(&["po1"; 8]);
    let start = Instant::now();
    for job in 1..=6 {
        pool.wait(job, claim("~po2"), start);
    }
    pool.wait(7, claim("*@po2"), start);
    let late = start + Duration::from_secs(11);
    assert_eq!(seated(&mut pool, late), [7, 1, 2, 3, 4]);
    assert_eq!(pool.touched("PO2"), 5);
    pool.wait(8, claim("*@po2"), late);
    pool.wait(9, claim("*"), late);
    assert_eq!(seated(&mut pool, late), [9]);
    pool.add("po2", 0);
    pool.set_up("po2", true);
    assert!(seated(&mut pool, late).is_empty());
    pool.release(2);
    assert_eq!(seated(&mut pool, late), [8]);
    pool.release(7);
    pool.release(1);
    assert_eq!(seated(&mut pool, late), [5, 6]);
}

#[test]
fn a_slot_that_goes_off_ends_its_job_first() {
    let mut pool = pool(&["po1"]);
    let now = Instant::now();
    pool.wait(1, claim("*"), now);
    assert_eq!(seated(&mut pool, now), [1]);
    pool.off("po1").unwrap();
    let state = |pool: &Pool| pool.state(pool.slots().next().unwrap());
    assert_eq!(state(&pool), SlotState::Busy(1));
    assert!(matches!(pool.delete("po1"), Err(HostError::Not { .. })));
    pool.release(1);
    assert_eq!(state(&pool), SlotState::Off);
    pool.delete("po1").unwrap();
    assert_eq!(pool.delete("po1"), Err(HostError::Unknown("po1".into())));
}

#[test]
fn a_host_that_cannot_be_reached_takes_no_job() {
    let mut pool = pool(&["po1"]);
    let now = Instant::now();
    pool.set_up("PO1", false);
    pool.wait(1, claim("*"), now);
    assert!(seated(&mut pool, now).is_empty());
    assert_eq!(pool.is_down("po1"), Ok(()));
    pool.set_up("po1", true);
    assert!(pool.is_down("po1").is_err());
    assert_eq!(seated(&mut pool, now), [1]);
}

proptest! {
    #[test]
    fn a_job_sits_on_one_slot_and_a_required_host_is_kept(
        slots in prop::collection::vec(0..3u8, 0..6),
        wishes in prop::collection::vec((0..3u8, 0..3u8), 0..30),
        seconds in 0..30u64,
    ) {
        let mut pool = Pool::default();
        for host in slots {
            let host = format!("po{host}");
            pool.add(&host, 1);
            pool.set_up(&host, true);
        }
        let start = Instant::now();
        for (job, (kind, host)) in (1..).zip(&wishes) {
            let word = format!("{}po{host}", ["*", "~", "="][usize::from(*kind)]);
            pool.wait(job, claim(&word), start);
        }
        let mut seen = BTreeSet::new();
        loop {
            let seats = pool.assign(start + Duration::from_secs(seconds));
            if seats.is_empty() {
                break;
            }
            for seat in seats {
                prop_assert!(seen.insert(seat.job));
                let (kind, host) = wishes[usize::try_from(seat.job).unwrap() - 1];
                if kind == 2 {
                    prop_assert_eq!(&seat.host, &format!("po{host}"));
                }
                pool.release(seat.job);
            }
        }
    }
}
