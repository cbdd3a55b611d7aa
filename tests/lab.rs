//! What only a real cluster can show. Needs the lab: `tests/lab/README.md`.
//!
//! Every test holds a [`Lab`]. When it lets go, the logins that sshd accepted meanwhile must be
//! as many as masters were opened: a hidden login fails the test that caused it.

mod asked;
#[cfg(test)]
mod chained;
#[cfg(test)]
mod lab_array;
#[cfg(test)]
mod lab_asking;
#[cfg(test)]
mod lab_bridge;
#[cfg(test)]
mod lab_chain;
#[cfg(test)]
mod lab_cluster;
#[cfg(test)]
mod lab_crash;
#[cfg(test)]
mod lab_doctor;
#[cfg(test)]
mod lab_harness;
#[cfg(test)]
mod lab_lanes;
#[cfg(test)]
mod lab_link;
#[cfg(test)]
mod lab_survey;

#[cfg(test)]
#[allow(
    dead_code,
    reason = "the lives of another test, of which this one needs a part"
)]
#[path = "crash/life.rs"]
mod life;
#[cfg(test)]
#[path = "crash/linked.rs"]
mod linked;
#[cfg(test)]
#[allow(
    dead_code,
    reason = "the lives of another test, of which this one needs a part"
)]
#[path = "crash/matrix.rs"]
mod matrix;
#[cfg(test)]
#[allow(
    dead_code,
    reason = "the lives of another test, of which this one needs a part"
)]
#[path = "crash/place.rs"]
mod place;
#[cfg(test)]
#[path = "crash/served.rs"]
mod served;
mod until;

#[cfg(test)]
mod site {
    use std::{
        io::{BufRead, BufReader},
        process::{Child, Command},
    };

    use outrigger::config::site::{Config, Connection, SchedulerKind};

    use super::lab_harness::{Lab, Login, Master, Workspace};

    /// A job that no node ever starts, under `name`.
    fn submit_held(lab: &Lab, name: &str) -> String {
        lab.fe([
            "sbatch",
            "--parsable",
            "--hold",
            "--job-name",
            name,
            "--wrap",
            "true",
        ])
        .success()
        .trim()
        .to_owned()
    }

    /// How many of `count` riders at once got a session; the others must fail as refused.
    fn ready_riders(master: &Master, count: usize) -> usize {
        let mut riders: Vec<_> = (0..count)
            .map(|_| master.rider(["echo ready; cat"]).spawn().unwrap())
            .collect();
        let got_a_session = |rider: &mut Child| {
            let mut line = String::new();
            let mut output = BufReader::new(rider.stdout.as_mut().unwrap());
            output.read_line(&mut line).unwrap();
            line == "ready\n"
        };
        let ready: Vec<bool> = riders.iter_mut().map(got_a_session).collect();
        for (rider, ready) in riders.iter_mut().zip(&ready) {
            drop(rider.stdin.take());
            let code = rider.wait().unwrap().code();
            assert_eq!(code, Some(if *ready { 0 } else { 255 }));
        }
        ready.into_iter().filter(|ready| *ready).count()
    }

    #[test]
    fn four_nodes_of_24_cores_answer() {
        let lab = Lab::get();
        let nodes = lab
            .fe(["sinfo", "-h", "-N", "-p", "shared", "-o", "%N %c"])
            .success();
        assert_eq!(nodes, "node01 24\nnode02 24\nnode03 24\nnode04 24\n");
    }

    #[test]
    fn the_front_end_has_this_hosts_programs_and_none_of_its_files() {
        let lab = Lab::get();
        for program in ["tar", "sha256sum", "source-extractor", "SWarp"] {
            lab.fe(["sh", "-c", r#"command -v "$1""#, "sh", program])
                .success();
        }
        let local = tempfile::NamedTempFile::new_in("/tmp").unwrap();
        let seen = lab.fe(["test".as_ref(), "-e".as_ref(), local.path().as_os_str()]);
        assert_eq!(seen.code, 1, "{} is visible", local.path().display());
    }

    #[test]
    fn a_broken_front_end_is_broken_until_it_is_mended() {
        let lab = Lab::get();
        let state = || {
            let master = lab.open_master(Login::Key);
            let greeting = master.rider(["true"]).output().unwrap().stdout;
            let now = lab.fe(["stat", "-c", "%Y", "/proc/self"]).success();
            let clock_is_slow = lab.fe(["date", "+%s"]).success() < now;
            let tar = lab.fe(["tar", "--version"]).code;
            (greeting.is_empty(), clock_is_slow, tar == 0)
        };
        lab.control(["break", "noise", "clock=-3600", "hide=tar"]);
        assert_eq!(state(), (false, true, false));
        lab.control(["mend"]);
        assert_eq!(state(), (true, false, true));
    }

    #[test]
    fn max_sessions_can_be_lowered_for_new_connections() {
        let lab = Lab::get();
        lab.control(["break", "maxsessions=3"]);
        assert_eq!(ready_riders(&lab.open_master(Login::Key), 4), 3);
        lab.control(["mend"]);
        assert_eq!(ready_riders(&lab.open_master(Login::Key), 4), 4);
    }

    #[test]
    fn srun_takes_a_multi_prog_config_of_60000_bytes_and_refuses_60001() {
        let lab = Lab::get();
        let run = |bytes: usize| {
            let path = format!("/scratch/lanluser/config-{bytes}");
            let mut config = String::from("0 /bin/true\n");
            while config.len() < bytes {
                let comment = (bytes - config.len()).min(100);
                config += &"#".repeat(comment - 1);
                config.push('\n');
            }
            assert_eq!(config.len(), bytes);
            lab.write(&path, &config);
            lab.fe(["srun", "-p", "shared", "-n1", "--multi-prog", &path])
        };
        run(60_000).success();
        let refused = run(60_001);
        assert_eq!(refused.code, 1);
        assert!(
            refused.stderr.contains("is too large"),
            "{}",
            refused.stderr
        );
    }

    #[test]
    fn srun_refuses_a_multi_prog_line_of_16383_bytes_with_its_newline() {
        let lab = Lab::get();
        let run = |bytes: usize| {
            let path = format!("/scratch/lanluser/line-{bytes}");
            lab.write(&path, &format!("{:a<1$}\n", "0 /bin/echo ", bytes - 1));
            lab.fe(["srun", "-p", "shared", "-n1", "--multi-prog", &path])
        };
        run(16_382).success();
        let refused = run(16_383);
        assert_eq!(refused.code, 1);
        assert!(refused.stderr.contains("Line 1 of"), "{}", refused.stderr);
    }

    #[test]
    fn a_job_is_found_by_its_name_by_squeue_and_by_showq() {
        let lab = Lab::get();
        let id = submit_held(&lab, "or-7-1-deadbeef");
        submit_held(&lab, "or-7-2-deadbeef");

        let found = lab.fe(["squeue", "-h", "--name", "or-7-1-deadbeef", "-o", "%i"]);
        assert_eq!(found.success().trim(), id);
        let queue = lab.fe(["showq", "--xml"]).success();
        let job = format!("JobID=\"{id}\" JobName=\"or-7-1-deadbeef\"");
        assert_eq!(queue.matches(&job).count(), 1, "{queue}");
    }

    #[test]
    fn a_moab_job_is_submitted_runs_and_tells_its_exit_code() {
        let lab = Lab::get();
        let script = "#MSUB -N or-8-1-deadbeef -l nodes=2:ppn=4,walltime=60\nexit 9\n";
        let id = lab
            .fe_given(["msub", "-d", "/scratch/lanluser"], script)
            .success()
            .trim()
            .to_owned();
        lab.wait_for_job(&id);

        let told = lab.fe(["checkjob", &id]).success();
        for line in [
            "AName: or-8-1-deadbeef",
            "State: Completed",
            "Completion Code: 9",
        ] {
            assert!(told.contains(line), "no `{line}` in {told}");
        }
        assert!(
            lab.fe(["showq", "-c"])
                .success()
                .contains(&format!("\n{id} "))
        );
        let unknown = lab.fe(["checkjob", "999999"]);
        assert_eq!(unknown.code, 1);
        assert_eq!(
            unknown.stderr.trim(),
            "ERROR:  invalid job specified: 999999"
        );
    }

    #[test]
    fn canceljob_ends_a_job_and_refuses_to_do_it_twice() {
        let lab = Lab::get();
        let id = submit_held(&lab, "or-9-1-deadbeef");
        lab.fe(["canceljob", &id]).success();
        assert!(
            lab.fe(["checkjob", &id])
                .success()
                .contains("State: Removed")
        );
        assert_eq!(lab.fe(["canceljob", &id]).code, 1);
    }

    #[test]
    fn an_msub_that_times_out_may_have_submitted_the_job() {
        let lab = Lab::get();
        lab.control(["moab", "timeout_pct=100", "after=1"]);
        let script = "#MSUB -N or-10-1-deadbeef -h\ntrue\n";
        let lost = lab.fe_given(["msub", "-d", "/scratch/lanluser"], script);
        assert_eq!((lost.code, lost.stdout.as_str()), (1, ""));
        assert!(lost.stderr.contains("client timed out"), "{}", lost.stderr);

        let found = lab
            .fe(["squeue", "-h", "--name", "or-10-1-deadbeef", "-o", "%i"])
            .success();
        assert_eq!(found.lines().count(), 1);
    }

    #[test]
    fn riders_beyond_max_sessions_are_refused_and_never_log_in() {
        let lab = Lab::get();
        let master = lab.open_master(Login::Key);
        assert_eq!(ready_riders(&master, 12), 10);
    }

    #[test]
    #[should_panic(expected = "logins accepted (left) must be the masters opened (right)")]
    fn a_login_beside_the_masters_fails_its_test() {
        let lab = Lab::get();
        let master = lab.open_master(Login::Key);
        let mut hidden = Command::new("ssh");
        hidden.arg("-F").arg(master.config());
        hidden.args(["-o", "BatchMode=yes", master.host(), "true"]);
        assert!(hidden.output().unwrap().status.success());
    }

    #[test]
    fn one_password_opens_a_master_and_its_riders_need_none() {
        let lab = Lab::get();
        let master = lab.open_master(Login::OneTimePassword);
        for _ in 0..3 {
            let rider = master.rider(["hostname"]).output().unwrap();
            assert_eq!(rider.stdout, b"fe1\n");
        }
    }

    #[test]
    fn a_dropped_link_ends_the_master_and_a_rider_does_not_log_in_instead() {
        let lab = Lab::get();
        let master = lab.open_master(Login::Key);
        assert!(master.answers());
        lab.control(["drop"]);
        master.wait_until_gone();
        let rider = master.rider(["true"]).output().unwrap();
        assert_eq!(rider.status.code(), Some(255));
    }

    #[test]
    fn a_workspace_describes_the_lab_as_a_site_of_each_scheduler() {
        let lab = Lab::get();
        let master = lab.open_master(Login::Key);
        let workspace = Workspace::new(&lab, &master);
        assert_eq!(workspace.outrigger(["--version"]).code, 0);

        let config: Config = serde_yaml::from_str(&workspace.config()).unwrap();
        assert_eq!(config.sites["slurm"].scheduler, SchedulerKind::Slurm);
        assert_eq!(config.sites["moab"].scheduler, SchedulerKind::Moab);
        assert_eq!(config.sites["rest"].scheduler, SchedulerKind::Slurmrestd);
        let here = lab.fe(["test", "-d", workspace.scratch()]);
        assert_eq!(here.code, 0, "no {}", workspace.scratch());
        for site in config.sites.values() {
            let Connection::Ssh(ssh) = &site.connection else {
                panic!("{site:?} is not reached over ssh");
            };
            assert_eq!(ssh.socket.as_deref(), Some(master.socket()));
        }
    }
}
