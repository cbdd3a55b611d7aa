//! Jobs on hosts behind ssh: a throw-away sshd on 127.0.0.1 (Debian's openssh-server) is 1 to 50
//! machines. What is measured, each beside its peer or limit in the same run:
//!
//! - `memory`: bytes a waiting job takes in the controller.
//! - `decide`: what a wake of the controller costs with 500 idle slots and 10,000 jobs that wait
//!   for a host which is down.
//! - `rates`: `true` from submission to the harvested end, beside a bare loop that spawns and
//!   waits, our executor without ssh, and GNU parallel over the same sshd; and the CPU time of a
//!   job by program.
//! - `latency`: from submission to the job's process, and from there to its harvested end, beside
//!   our executor and one `ssh` a job through an open master. The job is `date`, so that its own
//!   start (about 1 ms) counts as before, and its own end as after.
//! - `idle`: CPU time that 500 connected slots cost while nothing happens.
//! - `program`: the program pcontrol by itself with 10,000 waiting jobs, asked through its pipe.
//!
//! `cargo bench --bench cluster -- rates latency` does only these; `--jobs 500` takes fewer.
//! A loopback has no round trip, and both ends of ssh share this machine's processors with the
//! jobs: the figures say what the programs cost, not what a network adds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a benchmark that fails should say so at once"
)]

use std::time::Duration;

use tokio::runtime::Runtime;

mod asked;
mod decide;
mod desk;
mod idle;
mod latency;
mod rates;
mod usage;

#[allow(dead_code, reason = "the harness of tests, of which this needs a part")]
#[path = "../../tests/sshd/mod.rs"]
mod sshd;

/// Our own program, which is also the agent.
const OUTRIGGER: &str = env!("CARGO_BIN_EXE_outrigger");

/// The host that is down: nobody listens there.
const DOWN: &str = "down";

const WAITING: u64 = 10_000;

/// How long nothing happens.
const QUIET: Duration = Duration::from_secs(20);

fn main() {
    let runtime = Runtime::new().unwrap();
    let _inside = runtime.enter();
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let sections: [(&str, &dyn Fn()); 6] = [
        // First, while the allocator has nothing to give again.
        ("memory", &decide::memory),
        ("decide", &decide::decide),
        ("rates", &|| rates::rates(&runtime)),
        ("latency", &|| latency::latency(&runtime)),
        ("idle", &|| idle::idle(&runtime)),
        ("program", &asked::program),
    ];
    let named = |name: &str| asked.iter().any(|word| word == name);
    let all = !sections.iter().any(|(name, _)| named(name));
    for (name, section) in sections {
        if all || named(name) {
            println!("--- {name}");
            section();
        }
    }
}

/// The value behind an option of the command line.
fn option(name: &str, default: u64) -> u64 {
    let mut words = std::env::args().skip_while(|word| word != name);
    words.nth(1).map_or(default, |word| word.parse().unwrap())
}
