//! What can be wrong with a host, and what becomes of its jobs.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed test says where"
)]

#[expect(dead_code, reason = "not every test uses every part")]
mod cluster;
#[expect(dead_code, reason = "not every test uses every part")]
mod sshd;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::Command,
    time::{Duration, Instant},
};

use cluster::{Cluster, Pcontrol, Process, pause, signal, wait_until};
use rustix::process::Signal;

/// A job that says when it begins, goes on until it is let go, and then has its effect.
const HELD: &str = "exec 9>\"lock.$1\"\n\
                    flock -n 9 || echo \"$1\" >>double\n\
                    echo $$ >>\"begun.$1\"\n\
                    while [ ! -e \"go.$1\" ]; do sleep 0.02; done\n\
                    echo $$ >>\"done.$1\"\n";

const FENCE: [(&str, &str); 1] = [("CONTROLLER_FENCE", "2")];
const KEEP: [(&str, &str); 2] = [("CONTROLLER_FENCE", "2"), ("CONTROLLER_KEEP", "1")];

/// Submits a job that is held, and waits until it runs: its number and its process.
fn held_job(cluster: &Cluster, pcontrol: &mut Pcontrol, name: &str) -> (u64, u32) {
    let script = cluster.script("held", HELD);
    let job = pcontrol.job(&format!("{script} {name}"));
    (job, begun(cluster, name, 1))
}

/// Waits until a held job has begun so often: its last process.
fn begun(cluster: &Cluster, name: &str, times: usize) -> u32 {
    let file = format!("begun.{name}");
    wait_until("the job", || cluster.lines(&file).len() >= times);
    let begun = cluster.lines(&file);
    assert_eq!(begun.len(), times, "{begun:?}");
    begun[times - 1].parse().unwrap()
}

fn let_go(cluster: &Cluster, name: &str) {
    fs::write(cluster.path(&format!("go.{name}")), "").unwrap();
}

/// Nothing has been run twice at once.
fn assert_never_double(cluster: &Cluster) {
    assert_eq!(cluster.read("double"), "");
}

/// Ends `pcontrol`, and with it everything on the hosts.
fn assert_all_ends(cluster: &Cluster, pcontrol: Pcontrol) {
    assert!(pcontrol.exit().success());
    for host in cluster.hosts() {
        wait_until("the end of all", || host.processes().is_empty());
    }
}

#[rstest::rstest]
#[case::no_such_host("HostName no-such-host.invalid", "Could not resolve hostname")]
#[case::nobody_listens("Port 1", "Connection refused")]
#[case::key_refused("IdentityFile KEY", "Permission denied (publickey")]
fn a_host_that_ssh_cannot_reach_is_down_with_its_reason_and_others_do_the_work(
    #[case] line: &str,
    #[case] reason: &str,
) {
    let cluster = Cluster::of(1);
    let key = cluster.path("stranger").display().to_string();
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-q", "-t", "ed25519", "-N", "", "-f", &key]);
    assert!(keygen.status().unwrap().success());
    if line.contains("KEY") {
        // ssh tries all that are named, and this one is to be the only one.
        let config = fs::read_to_string(cluster.path("ssh_config")).unwrap();
        let own = config.lines().find(|line| line.contains("IdentityFile"));
        let bad = config
            .replace(own.unwrap(), &line.replace("KEY", &key))
            .replace(&cluster.host(0).name, "bad");
        fs::write(cluster.path("ssh_config"), format!("{config}\n{bad}")).unwrap();
    } else {
        cluster.also_known("bad", cluster.host(0), line);
    }
    let mut pcontrol = cluster.pcontrol_with_hosts(&FENCE);
    pcontrol.ask("host add bad");
    pcontrol.wait_for_reason("bad", reason);
    let status = pcontrol.ask("status");
    assert!(status.contains(reason), "{status}");
    assert!(status.contains("it is tried again in "), "{status}");
    pcontrol.wait_for_log("host bad is down: ");
    let wants = pcontrol.job("+host bad true");
    let any = pcontrol.job("true");
    pcontrol.wait_for_job(any, "EXIT");
    assert_eq!(pcontrol.state(wants).0, "PENDING");
    assert_all_ends(&cluster, pcontrol);
}

#[rstest::rstest]
#[case::nothing("", "pclient was not found there")]
#[case::something_else(
    "#!/bin/sh\necho hello\n",
    "what was started there is not Outrigger's pclient; it says: hello"
)]
#[case::endless_talk(
    "#!/bin/sh\nexec yes ho ho ho\n",
    "what was started there is not Outrigger's pclient; it says: ho ho ho"
)]
#[case::endless_line("#!/bin/sh\nexec cat /dev/zero\n", "not Outrigger's pclient")]
#[case::another_version(
    "#!/bin/sh\necho 'OUTRIGGER-AGENT 99 {}'\ncat\n",
    "its pclient speaks protocol 99"
)]
#[case::its_own_complaint(
    "#!/bin/sh\necho 'OUTRIGGER-AGENT error the disk is full'\n",
    "the disk is full"
)]
#[case::a_crash("#!/bin/sh\necho no license >&2; exit 3\n", "no license")]
fn a_host_without_our_agent_is_down_with_the_reason_until_that_is_repaired(
    #[case] agent: &str,
    #[case] reason: &str,
) {
    let cluster = Cluster::of(1);
    let path = cluster.path("agent");
    if !agent.is_empty() {
        fs::write(&path, agent).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let host = &cluster.host(0).name;
    let shell = path.display().to_string();
    let mut pcontrol = cluster.pcontrol(&[("SHELL", &shell)]);
    pcontrol.ask(&format!("host add {host}"));
    let job = pcontrol.job("true");
    pcontrol.wait_for_reason(host, reason);
    assert_eq!(pcontrol.state(job).0, "PENDING");
    assert!(Process::peak_memory(pcontrol.pid()) < 64 << 20);
    cluster.script("agent", "exec ./pclient\n");
    pcontrol.ask(&format!("host retry {host}"));
    pcontrol.wait_for_job(job, "EXIT");
    assert_eq!(pcontrol.state(job).1, 0);
    assert_all_ends(&cluster, pcontrol);
}

#[test]
fn an_agent_that_speaks_of_jobs_it_was_not_given_is_not_listened_to() {
    let cluster = Cluster::of(1);
    let agent = r#"
echo 'OUTRIGGER-AGENT 1 {"incarnation":"i","host":"h","cores":1,"version":"0","runs":[]}'
printf '\000\000\000\011\001\000\000\000\000\000\000\000\007x'
cat
"#;
    let agent = cluster.script("agent", agent);
    let host = &cluster.host(0).name;
    let mut pcontrol = cluster.pcontrol(&[("SHELL", &agent)]);
    pcontrol.ask(&format!("host add {host}"));
    let why = "its agent speaks of run 0000000000000007, which it does not have";
    pcontrol.wait_for_reason(host, why);
}

#[test]
fn quotes_in_the_settings_keep_blanks_in_words() {
    let cluster = Cluster::of(1);
    let agent = cluster.script("my agent", "exec ./pclient\n");
    let config = cluster.path("my config");
    fs::copy(cluster.path("ssh_config"), &config).unwrap();
    let command = format!("ssh -F '{}' -o \"BatchMode yes\"", config.display());
    let shell = format!("'{agent}'");
    let mut pcontrol = cluster.pcontrol_with_hosts(&[("COMMAND", &command), ("SHELL", &shell)]);
    let job = pcontrol.job("echo hello");
    pcontrol.wait_for_job(job, "EXIT");
    assert_eq!(pcontrol.ask(&format!("stdout {job}")), "hello\nSTATUS 0\n");
    assert_all_ends(&cluster, pcontrol);
}

#[test]
fn a_login_shell_that_talks_before_the_agent_does_no_harm() {
    let cluster = Cluster::of(1);
    let host = cluster.host(0);
    let noisy = cluster.script(
        "noisy",
        "printf 'Welcome!\\n\\nUse of this system is monitored. '\n\
         exec sh -c \"$SSH_ORIGINAL_COMMAND\"\n",
    );
    let key = fs::read_to_string(host.sshd.path().join("id.pub")).unwrap();
    let authorized = host.sshd.path().join("authorized");
    fs::write(authorized, format!("command=\"{noisy}\" {key}")).unwrap();
    let mut pcontrol = cluster.pcontrol_with_hosts(&FENCE);
    let job = pcontrol.job("echo hello");
    pcontrol.wait_for_job(job, "EXIT");
    assert_eq!(pcontrol.ask(&format!("stdout {job}")), "hello\nSTATUS 0\n");
    assert_all_ends(&cluster, pcontrol);
}

#[test]
fn a_host_that_falls_silent_gets_no_jobs_and_its_own_go_elsewhere_after_the_fence() {
    let cluster = Cluster::of(2);
    let [first, second] = cluster.hosts() else {
        panic!("two hosts");
    };
    let mut pcontrol = cluster.pcontrol(&FENCE);
    pcontrol.ask(&format!("host add {} -count 2", first.name));
    let (job, process) = held_job(&cluster, &mut pcontrol, "a");
    first.sshd.freeze_connections();
    let frozen = Instant::now();
    let log = format!("host {} has not answered for ", first.name);
    pcontrol.wait_for_log(&log);
    assert!(
        pcontrol
            .wait_for_host(&first.name, "DOWN")
            .contains("silent")
    );
    // It has a free slot.
    let waits = pcontrol.job("true");
    assert_eq!(pcontrol.state(waits).0, "PENDING");
    pcontrol.ask(&format!("host add {}", second.name));
    pcontrol.wait_for_job(waits, "EXIT");
    assert_eq!(pcontrol.state(job).0, "BUSY");
    assert!(pcontrol.losses(job).is_empty());
    begun(&cluster, "a", 2);
    // What was heard last was said a beat before.
    assert!(frozen.elapsed() > Duration::from_millis(2500));
    assert!(!Process::lives(process));
    let losses = pcontrol.losses(job);
    assert_eq!(losses.len(), 1, "{losses:?}");
    assert!(losses[0].contains("nothing was heard of its host"));
    let_go(&cluster, "a");
    pcontrol.wait_for_job(job, "EXIT");
    let check = pcontrol.ask(&format!("check job {job}"));
    assert!(
        check.contains(&format!("HOSTNAME {}", second.name)),
        "{check}"
    );
    assert_never_double(&cluster);
    // It is there again by a new connection.
    pcontrol.wait_for_host(&first.name, "IDLE");
    first.sshd.signal_connections(Signal::CONT);
    assert_all_ends(&cluster, pcontrol);
}

#[test]
fn a_host_that_falls_silent_for_a_moment_only_keeps_its_jobs() {
    let cluster = Cluster::of(1);
    let host = cluster.host(0);
    let mut pcontrol = cluster.pcontrol_with_hosts(&[("CONTROLLER_FENCE", "5")]);
    let (job, _) = held_job(&cluster, &mut pcontrol, "a");
    host.sshd.freeze_connections();
    pcontrol.wait_for_log("has not answered for ");
    host.sshd.signal_connections(Signal::CONT);
    pcontrol.wait_for_log(&format!("host {} answers again", host.name));
    let_go(&cluster, "a");
    pcontrol.wait_for_job(job, "EXIT");
    assert_eq!(cluster.lines("begun.a").len(), 1);
    assert!(pcontrol.losses(job).is_empty());
    assert_eq!(host.sshd.logins(), 1);
    assert_all_ends(&cluster, pcontrol);
}

#[rstest::rstest]
#[case::fence(&FENCE)]
#[case::keep(&KEEP)]
fn a_job_whose_agent_is_killed_is_run_again_once_a_new_agent_is_there(
    #[case] settings: &[(&str, &str)],
) {
    let cluster = Cluster::of(1);
    let host = cluster.host(0);
    let mut pcontrol = cluster.pcontrol_with_hosts(settings);
    let (job, process) = held_job(&cluster, &mut pcontrol, "a");
    signal(host.agent(), Signal::KILL);
    begun(&cluster, "a", 2);
    assert!(!Process::lives(process));
    let_go(&cluster, "a");
    pcontrol.wait_for_job(job, "EXIT");
    assert_eq!(pcontrol.state(job).1, 0);
    let losses = pcontrol.losses(job);
    assert_eq!(losses.len(), 1, "{losses:?}");
    assert!(losses[0].contains("the agent that had it is gone"));
    assert_eq!(cluster.lines("done.a").len(), 1);
    assert_never_double(&cluster);
    assert_all_ends(&cluster, pcontrol);
}

#[rstest::rstest]
#[case::fence(&FENCE)]
#[case::keep(&KEEP)]
fn an_agent_without_its_guard_ends_and_its_jobs_are_run_again(#[case] settings: &[(&str, &str)]) {
    let cluster = Cluster::of(1);
    let host = cluster.host(0);
    let mut pcontrol = cluster.pcontrol_with_hosts(settings);
    let (job, process) = held_job(&cluster, &mut pcontrol, "a");
    let (agent, guard) = host.agent_and_guard().unwrap();
    signal(guard, Signal::KILL);
    wait_until("the agent's end", || !Process::lives(agent));
    assert!(!Process::lives(process));
    begun(&cluster, "a", 2);
    let_go(&cluster, "a");
    pcontrol.wait_for_job(job, "EXIT");
    assert_eq!(pcontrol.state(job).1, 0);
    assert_never_double(&cluster);
    assert_all_ends(&cluster, pcontrol);
}

#[rstest::rstest]
#[case::fence(&FENCE)]
#[case::keep(&KEEP)]
fn a_job_that_agent_and_guard_leave_behind_is_ended_before_it_is_run_again(
    #[case] settings: &[(&str, &str)],
) {
    let cluster = Cluster::of(1);
    let host = cluster.host(0);
    let mut pcontrol = cluster.pcontrol_with_hosts(settings);
    let (job, process) = held_job(&cluster, &mut pcontrol, "a");
    let (agent, guard) = host.agent_and_guard().unwrap();
    for end in [Signal::STOP, Signal::KILL] {
        signal(guard, end);
        signal(agent, end);
    }
    begun(&cluster, "a", 2);
    assert!(!Process::lives(process));
    let_go(&cluster, "a");
    pcontrol.wait_for_job(job, "EXIT");
    assert_eq!(pcontrol.state(job).1, 0);
    assert_eq!(cluster.lines("done.a").len(), 1);
    assert_never_double(&cluster);
    assert_all_ends(&cluster, pcontrol);
}

#[test]
fn a_job_that_ignores_the_request_to_end_is_killed_by_kill() {
    let cluster = Cluster::of(1);
    let mut pcontrol = cluster.pcontrol_with_hosts(&FENCE);
    let script = cluster.script(
        "deaf",
        "trap '' TERM\necho $$ >>begun.a\nwhile :; do sleep 0.02; done\n",
    );
    let job = pcontrol.job(&script);
    let process = begun(&cluster, "a", 1);
    pcontrol.ask(&format!("kill {job}"));
    pcontrol.wait_for_job(job, "CRASH");
    assert_eq!(pcontrol.state(job), ("CRASH".to_owned(), 9));
    assert!(!Process::lives(process));
    // Its slot is free for the next one.
    let next = pcontrol.job("true");
    pcontrol.wait_for_job(next, "EXIT");
    assert_all_ends(&cluster, pcontrol);
}

#[test]
fn a_huge_output_comes_whole_and_neither_fills_the_memory_nor_holds_up_a_short_job() {
    const SIZE: u64 = 200 << 20;
    let cluster = Cluster::of(1);
    let host = cluster.host(0);
    let mut pcontrol = cluster.pcontrol(&FENCE);
    pcontrol.ask(&format!("host add {} -count 2", host.name));
    let long = pcontrol.job(&format!("head -c {SIZE} /dev/zero"));
    // Its output comes in when it is over.
    wait_until("its output", || {
        let files = fs::read_dir(cluster.path("tmp")).unwrap();
        let sizes = files.filter_map(|file| Some(file.ok()?.metadata().ok()?.len()));
        sizes.max() > Some(0)
    });
    let short = pcontrol.job("echo hello");
    pcontrol.wait_for_job(short, "EXIT");
    assert_eq!(pcontrol.state(long).0, "BUSY");
    pcontrol.wait_for_job(long, "EXIT");
    let check = pcontrol.ask(&format!("check job {long}"));
    assert!(check.contains(&format!("STDOUT {SIZE}\n")), "{check}");
    let peak = Process::peak_memory(pcontrol.pid());
    assert!(peak < 64 << 20, "{peak}");
    assert_eq!(host.sshd.logins(), 1);
    assert_all_ends(&cluster, pcontrol);
}

#[test]
fn a_kept_job_outlives_its_connection_and_is_not_run_twice() {
    let cluster = Cluster::of(1);
    let host = cluster.host(0);
    let mut pcontrol = cluster.pcontrol_with_hosts(&KEEP);
    let (job, process) = held_job(&cluster, &mut pcontrol, "a");
    for connections in 2..4 {
        if connections % 2 == 0 {
            host.sshd.drop_connections();
        } else {
            for ssh in pcontrol.connections(&host.name) {
                signal(ssh, Signal::KILL);
            }
        }
        wait_until("a new connection", || host.sshd.logins() == connections);
        pcontrol.wait_for_host(&host.name, "BUSY");
        assert!(Process::lives(process));
    }
    let_go(&cluster, "a");
    pcontrol.wait_for_job(job, "EXIT");
    assert_eq!(pcontrol.state(job).1, 0);
    assert_eq!(cluster.lines("done.a"), [process.to_string()]);
    assert!(pcontrol.losses(job).is_empty());
    assert_all_ends(&cluster, pcontrol);
}

#[test]
fn the_result_of_a_kept_job_that_ends_without_a_connection_comes_with_the_next_one() {
    let cluster = Cluster::of(1);
    let host = cluster.host(0);
    let mut pcontrol = cluster.pcontrol_with_hosts(&KEEP);
    let (job, _) = held_job(&cluster, &mut pcontrol, "a");
    host.sshd.freeze_connections();
    let_go(&cluster, "a");
    wait_until("its end", || cluster.lines("done.a").len() == 1);
    pcontrol.wait_for_job(job, "EXIT");
    assert_eq!(pcontrol.state(job).1, 0);
    assert_eq!(host.sshd.logins(), 2);
    assert!(pcontrol.losses(job).is_empty());
    assert_eq!(cluster.lines("begun.a").len(), 1);
    host.sshd.signal_connections(Signal::CONT);
    assert_all_ends(&cluster, pcontrol);
}

#[test]
fn all_slots_of_a_host_share_one_connection() {
    let cluster = Cluster::of(1);
    let host = cluster.host(0);
    let mut pcontrol = cluster.pcontrol(&FENCE);
    pcontrol.ask(&format!("host add {} -count 20", host.name));
    let script = cluster.script("held", HELD);
    let jobs: Vec<u64> = (0..20)
        .map(|n| pcontrol.job(&format!("{script} {n}")))
        .collect();
    for n in 0..20 {
        begun(&cluster, &n.to_string(), 1);
    }
    for (n, job) in jobs.into_iter().enumerate() {
        let_go(&cluster, &n.to_string());
        pcontrol.wait_for_job(job, "EXIT");
    }
    assert_eq!(host.sshd.logins(), 1);
    assert_eq!(pcontrol.connections(&host.name).len(), 1);
    assert_all_ends(&cluster, pcontrol);
}

#[test]
fn a_host_that_is_switched_off_ends_its_job_first_and_then_its_agent_goes() {
    let cluster = Cluster::of(1);
    let host = cluster.host(0);
    let mut pcontrol = cluster.pcontrol_with_hosts(&FENCE);
    let (job, _) = held_job(&cluster, &mut pcontrol, "a");
    pcontrol.ask(&format!("host off {}", host.name));
    pcontrol.wait_for_host(&host.name, "BUSY");
    let answer = pcontrol.ask(&format!("host delete {}", host.name));
    assert_eq!(answer, format!("host {} is not OFF\n", host.name));
    let waits = pcontrol.job("true");
    let_go(&cluster, "a");
    pcontrol.wait_for_job(job, "EXIT");
    pcontrol.wait_for_host(&host.name, "OFF");
    wait_until("the agent's end", || host.processes().is_empty());
    wait_until("the connection's end", || {
        pcontrol.connections(&host.name).is_empty()
    });
    assert_eq!(pcontrol.state(waits).0, "PENDING");
    pcontrol.ask(&format!("host on {}", host.name));
    pcontrol.wait_for_job(waits, "EXIT");
    assert_all_ends(&cluster, pcontrol);
}

#[test]
fn all_slots_of_a_host_are_switched_and_deleted_at_once() {
    let cluster = Cluster::of(1);
    let host = cluster.host(0);
    let mut pcontrol = cluster.pcontrol(&FENCE);
    pcontrol.ask(&format!("host add {} -count 3", host.name));
    pcontrol.wait_for_host(&host.name, "IDLE");
    let (job, _) = held_job(&cluster, &mut pcontrol, "a");
    let count = |pcontrol: &mut Pcontrol, state: &str| {
        let answer = pcontrol.ask(&format!("hoststack {state}"));
        let line = answer.lines().next().unwrap().to_owned();
        line.strip_prefix("Nhosts: ")
            .unwrap()
            .parse::<usize>()
            .unwrap()
    };
    pcontrol.ask(&format!("host off {} -all", host.name));
    assert_eq!(
        (count(&mut pcontrol, "off"), count(&mut pcontrol, "busy")),
        (2, 1)
    );
    pcontrol.ask(&format!("host on {} -all", host.name));
    assert_eq!(
        (count(&mut pcontrol, "idle"), count(&mut pcontrol, "busy")),
        (2, 1)
    );
    pcontrol.ask(&format!("host off {} -all", host.name));
    pcontrol.ask(&format!("host delete {} -all", host.name));
    assert_eq!(count(&mut pcontrol, "all"), 1);
    let_go(&cluster, "a");
    pcontrol.wait_for_job(job, "EXIT");
    pcontrol.ask(&format!("host delete {}", host.name));
    assert_eq!(count(&mut pcontrol, "all"), 0);
    let answer = pcontrol.ask(&format!("host on {}", host.name));
    assert_eq!(answer, format!("host {} not found\n", host.name));
    wait_until("the agent's end", || host.processes().is_empty());
    assert_all_ends(&cluster, pcontrol);
}

#[test]
fn jobs_end_with_a_controller_that_is_killed() {
    let cluster = Cluster::of(1);
    let host = cluster.host(0);
    let mut pcontrol = cluster.pcontrol_with_hosts(&FENCE);
    let (_, process) = held_job(&cluster, &mut pcontrol, "a");
    pcontrol.kill();
    wait_until("the job's end", || !Process::lives(process));
    wait_until("the end of all", || host.processes().is_empty());
    assert_eq!(cluster.read("done.a"), "");
}

#[test]
fn jobs_of_a_silent_host_end_by_the_fence_when_their_controller_is_killed() {
    let cluster = Cluster::of(1);
    let host = cluster.host(0);
    let mut pcontrol = cluster.pcontrol_with_hosts(&FENCE);
    let (_, process) = held_job(&cluster, &mut pcontrol, "a");
    host.sshd.freeze_connections();
    signal(host.agent(), Signal::STOP);
    pcontrol.kill();
    wait_until("the job's end", || !Process::lives(process));
    wait_until("the end of all", || host.processes().is_empty());
}

#[test]
fn kept_jobs_outlive_a_controller_that_is_killed() {
    let cluster = Cluster::of(1);
    let host = cluster.host(0);
    let mut pcontrol = cluster.pcontrol_with_hosts(&KEEP);
    let (_, process) = held_job(&cluster, &mut pcontrol, "a");
    pcontrol.kill();
    // Longer than any fence.
    pause(Duration::from_secs(4));
    assert!(Process::lives(process));
    let_go(&cluster, "a");
    wait_until("its end", || cluster.lines("done.a").len() == 1);
    assert!(!host.processes().is_empty());
}

#[test]
fn kept_jobs_end_with_a_controller_that_ends_though_their_host_is_silent() {
    let cluster = Cluster::of(1);
    let host = cluster.host(0);
    let mut pcontrol = cluster.pcontrol_with_hosts(&KEEP);
    let (_, process) = held_job(&cluster, &mut pcontrol, "a");
    host.sshd.freeze_connections();
    pcontrol.wait_for_log("it does not answer");
    pcontrol.exit();
    wait_until("the job's end", || !Process::lives(process));
    host.sshd.signal_connections(Signal::CONT);
    wait_until("the end of all", || host.processes().is_empty());
}

#[test]
fn kept_jobs_on_a_host_that_cannot_be_reached_at_the_end_are_told_with_a_way_to_end_them() {
    let cluster = Cluster::of(2);
    let [gone, there] = cluster.hosts() else {
        panic!("two hosts");
    };
    let mut pcontrol = cluster.pcontrol(&KEEP);
    for (host, name) in [(gone, "a"), (there, "b")] {
        pcontrol.ask(&format!("host add {}", host.name));
        held_job(&cluster, &mut pcontrol, name);
    }
    cluster.unreachable(gone);
    gone.sshd.drop_connections();
    pcontrol.wait_for_reason(&gone.name, "Connection refused");
    let (status, log) = pcontrol.exit_with_log();
    assert!(status.success());
    let told = format!(
        "host {} keeps its jobs and did not answer: 1 may go on there\n",
        gone.name
    );
    assert!(log.contains(&told), "{log}");
    assert!(
        !log.contains(&format!("host {} keeps", there.name)),
        "{log}"
    );
    let (_, command) = log.split_once("run on each of these hosts: ").unwrap();
    assert!(!gone.processes().is_empty());
    let ended = Command::new("sh").args(["-c", command]).status();
    assert!(ended.unwrap().success());
    wait_until("the end of all", || gone.processes().is_empty());
}
