//! What waiting jobs take, and what deciding costs.

use std::time::{Duration, Instant};

use outrigger::{
    pclient::wire::Welcome,
    pcontrol::{Controller, Effect, News, Pool, Settings, Way, Wish},
};

use crate::{
    DOWN, WAITING,
    desk::{Desk, request},
    usage::resident,
};

/// What a stage's job looks like: 147 bytes.
pub(crate) const COMMAND: [&str; 8] = [
    "warp_skycell.pl",
    "--warp_id",
    "1234567",
    "--skycell_id",
    "skycell.1234.056",
    "--dbname",
    "gpc1",
    "--outroot=/data/host012.0/gpc1/LAP.ThreePi.20120706/2013/05/17/o6429g0123o.1234567/o6429g0123o",
];

pub(crate) fn memory() {
    let bytes: usize = COMMAND.iter().map(|word| word.len()).sum();
    let mut desk = Desk::new(Way::default());
    let (before, begin) = (resident("self"), Instant::now());
    for jobs in [WAITING, 10 * WAITING] {
        while desk.last < jobs {
            desk.submit(&COMMAND, Wish::Required(DOWN.to_owned()));
        }
        let grown = (resident("self") - before) as f64;
        println!(
            "{jobs:>7} waiting jobs with commands of {bytes} bytes: {:>5.0} bytes a job, {:.1} MB; \
             {:.2} µs a submission",
            grown / jobs as f64,
            grown / 1e6,
            begin.elapsed().as_secs_f64() * 1e6 / jobs as f64
        );
    }
}

/// A controller with `machines` that are up and none of whose slots has anything to do.
fn controller(machines: u32, slots: u32, now: Instant) -> Controller {
    let mut controller = Controller::new(Settings::default());
    for n in 1..=machines {
        for _ in 0..slots {
            controller.add(&format!("h{n}"), 1, None, now);
        }
    }
    while let Some(effect) = controller.next_effect() {
        if let Effect::Connect {
            machine,
            connection,
            ..
        } = effect
        {
            let welcome = Welcome {
                incarnation: String::new(),
                account: String::new(),
                host: machine.clone(),
                cores: 1,
                version: String::new(),
                runs: Vec::new(),
            };
            controller.hear(&machine, connection, News::Welcome(welcome), now);
        }
    }
    controller
}

pub(crate) fn decide() {
    for (machines, slots) in [(20, 25), (500, 1)] {
        for (what, wish) in [
            ("requires", Wish::Required(DOWN.to_owned())),
            ("wishes for", Wish::Desired(DOWN.to_owned())),
        ] {
            let now = Instant::now();
            let mut controller = controller(machines, slots, now);
            for job in 1..=WAITING {
                controller.submit(job, request(&["true"], wish.clone()), now);
            }
            // When wishes are given up: then only so many may work on that host's disks.
            let late = now + Duration::from_secs(15);
            controller.assign(late);
            while controller.next_effect().is_some() {}
            let begin = Instant::now();
            let mut wakes = 0;
            while begin.elapsed() < Duration::from_millis(500) {
                controller.tick(late);
                controller.assign(late);
                assert!(controller.next(late).is_some());
                wakes += 1;
            }
            println!(
                "{machines:>3} machines of {slots:>2} slots, {WAITING} jobs of which each {what:<10} \
                 another: {:>8.2} µs a wake",
                begin.elapsed().as_secs_f64() * 1e6 / f64::from(wakes)
            );
        }
    }
    let now = Instant::now();
    let mut pool = Pool::default();
    for n in 0..500 {
        let host = format!("h{}", n % 20);
        pool.add(&host, 1);
        pool.set_up(&host, true);
    }
    let claim = request(&[], Wish::Any).claim;
    for job in 1..=WAITING {
        pool.wait(job, claim.clone(), now);
    }
    let begin = Instant::now();
    let mut seated = 0;
    loop {
        let seats = pool.assign(now);
        if seats.is_empty() {
            break;
        }
        for seat in seats {
            pool.release(seat.job);
            seated += 1;
        }
    }
    assert_eq!(seated, WAITING);
    println!(
        "seating and releasing: {:.2} µs a job",
        begin.elapsed().as_secs_f64() * 1e6 / WAITING as f64
    );
}
