//! What connected slots cost while nothing happens.

use std::time::{Duration, Instant};

use tokio::{runtime::Runtime, time::timeout};

use crate::{
    QUIET, WAITING,
    desk::{Desk, Site},
    usage::Cpu,
};

pub(crate) fn idle(runtime: &Runtime) {
    for (machines, slots, waiting) in [(20, 25, 0), (20, 25, WAITING), (50, 10, WAITING)] {
        let site = Site::start();
        runtime.block_on(async {
            let begin = Instant::now();
            let mut desk = Desk::connected(&site, machines, slots).await;
            let connected = begin.elapsed();
            desk.submit_waiting(waiting);
            let calm = Duration::from_secs(2);
            while timeout(calm, desk.happened()).await.is_ok() {}
            let (cpu, wakes) = (Cpu::now(), desk.wakes);
            let begin = Instant::now();
            while let Some(left) = QUIET.checked_sub(begin.elapsed()) {
                // Nothing that matters.
                drop(timeout(left, desk.happened()).await);
            }
            let wakes = desk.wakes - wakes;
            println!(
                "{machines} machines x {slots} (connected in {:.1} s), {waiting} jobs wait, {} s: \
                 {wakes} wakes; CPU: {}",
                connected.as_secs_f64(),
                QUIET.as_secs(),
                cpu.since(|time| format!("{:.4} s", time.as_secs_f64()))
            );
            desk.close().await;
        });
    }
}
