//! The scheduler with its language, its loop and real processes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed test says where"
)]

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use outrigger::{
    engine::clock::SystemClock,
    pantasks::{
        drive::drive,
        session::{Quit, Session},
    },
    process::ProcessSettings,
    shell::{machine::Surroundings, options::Options, outlet::Outlet, settings::Settings},
};
use rstest::rstest;
use tokio::{runtime::Runtime, sync::mpsc};

/// What a script and its jobs write until the script says `exit`; errors begin with `! `.
fn played(script: &str) -> String {
    played_with(&[], script)
}

/// The same with more settings.
fn played_with(settings: &[(&str, &str)], script: &str) -> String {
    let runtime = Runtime::new().unwrap();
    let _inside = runtime.enter();
    let said = Arc::new(Mutex::new(String::new()));
    let (out, err) = (Arc::clone(&said), Arc::clone(&said));
    let outlet = Outlet::new(
        Box::new(move |text| out.lock().unwrap().push_str(text)),
        Box::new(move |text| {
            for line in text.lines() {
                out_line(&err, line);
            }
        }),
    );
    let clock = Arc::new(SystemClock);
    let agent = concat!(env!("CARGO_BIN_EXE_outrigger"), " pclient");
    let options = Options {
        config: Some("/dev/null".into()),
        settings: [("SHELL", agent)]
            .iter()
            .chain(settings)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        ..Options::default()
    };
    let around = Surroundings {
        name: "pantasks",
        settings: Settings::of(&options).unwrap(),
        options,
        ..Surroundings::default()
    };
    let local = ProcessSettings::default();
    let mut session = Session::within(around, clock, outlet, local).unwrap();
    let (_requests, mut asked) = mpsc::unbounded_channel();
    let code = match session.run_text(Path::new("t.pro"), script) {
        Ok(_) => drive(&mut session, &runtime, &mut asked),
        Err(Quit(code)) => code,
    };
    let mut text = said.lock().unwrap().clone();
    if code != 0 {
        text.extend(["exit ", &code.to_string(), "\n"]);
    }
    text
}

fn out_line(said: &Mutex<String>, line: &str) {
    let mut said = said.lock().unwrap();
    said.push_str("! ");
    said.push_str(line);
    said.push('\n');
}

#[test]
fn a_task_makes_jobs_and_their_ends_run_its_macros() {
    let said = played(
        r#"
        $n = 0; $over = 0
        task hello
          periods -exec 0
          periods -timeout 60
          nmax 3
          task.exec
            $n ++
            options $n two
            command echo "hello  there" $n
          end
          task.exit 0
            queuepop stdout -var line
            echo "$JOB_STATUS $line, $taskarg:n words, $options:1, on $JOB_HOSTNAME"
            $over ++; if ($over == 3) exit
          end
        end
        run
        "#,
    );
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 3, "{said}");
    assert!(
        lines.contains(&"0 hello  there 2, 3 words, two, on localhost"),
        "{said}"
    );
}

#[rstest]
#[case::status("sh -c \"exit 7\"", "default 7\n")]
#[case::own_status("sh -c \"exit 5\"", "five 5\n")]
#[case::missing_program("no-such-program-here", "default 1\n")]
#[case::signal("sh -c \"kill -SEGV 0\"", "crash CRASH\n")]
#[case::timeout("sleep 600", "timeout TIMEOUT\n")]
fn each_end_has_its_macro(#[case] command: &str, #[case] said: &str) {
    let script = format!(
        r"
        macro tell
          echo $1 $JOB_STATUS
          exit
        end
        task t
          periods -exec 0 -poll 0.05 -timeout 0.2
          nmax 1
          command {command}
          task.exit 0
            tell success
          end
          task.exit 5
            tell five
          end
          task.exit default
            tell default
          end
          task.exit crash
            tell crash
          end
          task.exit timeout
            tell timeout
          end
        end
        run
        "
    );
    // A signal, a missing program and an exit code must not be taken for a timeout.
    let script = if command.starts_with("sleep") {
        script
    } else {
        script.replace("-timeout 0.2", "-timeout 60")
    };
    assert_eq!(played(&script), said);
}

#[test]
fn a_failing_macro_stops_itself_alone_and_says_where() {
    let said = played(
        "task t\n periods -exec 0\n nmax 2\n command true\n task.exit 0\n  $n ++\n  if ($n == 2) exit\n  echo $gone\n end\nend\n$n = 0\nrun",
    );
    assert_eq!(said, "! t.pro:8: variable gone not found: `echo $gone`\n");
}

#[test]
fn break_in_task_exec_makes_no_job_and_settings_persist() {
    let said = played(
        r#"
        $pass = 0
        task t
          periods -exec 0
          task.exec
            $pass ++
            if ($pass == 1) break
            if ($pass == 2)
              host localhost
              options from two
              command echo $pass
            end
          end
          task.exit 0
            echo "$options:n $JOB_HOSTNAME"
            if ($pass > 3) exit
          end
        end
        controller host add localhost
        run
        "#,
    );
    let mut lines = said.lines();
    assert!(lines.next().unwrap().starts_with("HostID: 1"), "{said}");
    assert!(lines.all(|line| line == "2 localhost"), "{said}");
}

#[test]
fn a_job_of_the_controller_waits_for_a_host_and_says_why_it_never_got_one() {
    let said = played(
        r#"
        task t
          host po99 -required
          periods -exec 0 -poll 0.01 -pending 0.05
          nmax 1
          command true
          task.exit pending
            queuepop stderr -var why
            echo "$JOB_STATUS $why"
            exit
          end
        end
        run
        "#,
    );
    let wanted = "! warning: task t: the controller has no host po99 yet (controller host add po99)\n\
                  PENDING the controller has no such host: po99\n";
    assert_eq!(said, wanted);
}

/// A job that may wait for 0.3 s, for `host`, and the reason that it was never started.
fn waiting_for(host: &str) -> String {
    format!(
        r#"
        task t
          host {host}
          periods -exec 0 -poll 0.01 -pending 0.3
          nmax 1
          command true
          task.exit pending
            queuepop stderr -var why
            echo "$JOB_STATUS $why"
            exit
          end
        end
        run
        "#
    )
}

#[rstest]
#[case::no_host("", "anyhost", "the controller has no host")]
#[case::down(
    "controller host add po1",
    "anyhost",
    "host po1 is down: false ended with code 1; it is tried again in"
)]
#[case::stopped("controller host add po1", "po1", "host po1 is down: false ended")]
#[case::overloaded(
    "controller host add localhost\njob -host localhost -- sleep 600",
    "anyhost",
    "the controller is overloaded: 1 of 1 slots are busy"
)]
#[case::off(
    "controller host add localhost\ncontroller host off localhost",
    "localhost",
    "host localhost has no slot that is on"
)]
fn the_reason_that_a_job_waited_too_long(
    #[case] before: &str,
    #[case] host: &str,
    #[case] reason: &str,
) {
    let script = format!("{before}{}", waiting_for(host));
    let settings = [("COMMAND", "false"), ("SHELL", "")];
    let settings = if before.contains("localhost") {
        &settings[2..]
    } else {
        &settings[..]
    };
    let said = played_with(settings, &script);
    assert!(said.contains(&format!("PENDING {reason}")), "{said}");
}

#[test]
fn a_job_with_a_higher_priority_goes_first_to_a_host() {
    let said = played(
        r#"
        macro say
          queuepop stdout -var word
          echo $word
          if ("$word" == "late")
            exit
          end
        end
        job -host anyhost -exit say -- echo late
        job -host anyhost -exit say -priority 1 -- echo second
        job -host anyhost -exit say -priority 7 -xhost po9 -- echo first
        controller host add localhost
        run
        "#,
    );
    let words: Vec<&str> = said.lines().filter(|line| !line.contains("ID: ")).collect();
    assert_eq!(words, ["first", "second", "late"]);
}

#[test]
fn jobs_of_a_controller_that_is_ended_wait_for_the_next_host() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log").display().to_string();
    let said = played(&format!(
        r#"
        controller host add localhost
        task t
          host anyhost
          periods -exec 0 -poll 0.01
          nmax 1
          command sh -c "echo began >>{log}; test -e {log}.go || sleep 600"
          task.exit 0
            echo "done on $JOB_HOSTNAME"
            exit
          end
        end
        task look
          periods -exec 0.05 -timeout 60
          npending 1
          nmax 1
          command sh -c "until test -e {log}; do sleep 0.02; done; touch {log}.go"
          task.exit 0
            controller exit true
            controller host add localhost
          end
        end
        run
        "#
    ));
    assert!(
        said.contains("controller stopped, 1 hosts removed"),
        "{said}"
    );
    assert!(
        said.contains("was lost with host localhost and is run again: its agent was told to end"),
        "{said}"
    );
    assert!(said.contains("done on localhost"), "{said}");
    let began = std::fs::read_to_string(log).unwrap();
    assert_eq!(began, "began\nbegan\n");
}

#[test]
fn what_a_definition_cannot_understand_does_not_end_it() {
    let said = played(
        "task t\n periods -timeout 900 # late\n nonsense 5\n if (1)\n command true\n END\nstatus -tasks\nexit",
    );
    insta::assert_snapshot!(said, @r"
    ! t.pro:2: USAGE: periods [-exec S] [-poll S] [-timeout S] [-pending S|none]: `periods -timeout 900 # late`
    ! t.pro:3: unknown task command: `nonsense 5`
    ! t.pro:4: unknown task command: `if (1)`

     Task Status

      AV Name   Nrun  Njobs  Ngood Nfail Ntime Command
      ++ t         0      0      0     0     0 true
    ");
}

#[test]
fn a_job_of_ones_own_needs_no_task() {
    let said = played(
        "macro over\n queuepop stdout -var line\n echo \"$line $JOB_STATUS\"\n exit\nend\njob -exit over -- echo hello\nrun",
    );
    assert_eq!(said, "JobID: 1\nhello 0\n");
}

#[test]
fn output_goes_to_files_and_variables_too() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let script = format!(
        r#"
        task t
          periods -exec 0
          nmax 1
          stdout {log}
          stderr -var problem
          command sh -c "echo one; echo two >&2"
          task.exit 0
            exec echo $problem >> {log}
            queuesize stdout -var n
            echo "$problem $n"
            exit
          end
        end
        run
        "#,
        log = log.display()
    );
    assert_eq!(played(&script), "two 1\n");
    assert_eq!(std::fs::read_to_string(log).unwrap(), "one\ntwo\n");
}

#[test]
fn killed_and_deleted_things_are_gone() {
    let said = played(
        r"
        task slow
          periods -exec 0 -timeout 600
          nmax 1
          command sleep 600
          task.exit default
            echo never
          end
        end
        task watch
          periods -exec 0.01
          task.exec
            status -json
            $looks ++
            if ($looks == 3) delete task slow
            if ($looks == 4) kill 1
            if ($looks == 5) kill 1
            if ($looks == 6) exit
            break
            command none
          end
        end
        $looks = 0
        run
        ",
    );
    let said: Vec<&str> = said.lines().filter(|line| !line.starts_with('{')).collect();
    assert_eq!(
        said,
        [
            "task makes no more jobs, and goes with its last one",
            "job removed",
            "job not found"
        ]
    );
}

#[test]
fn a_stopped_scheduler_harvests_and_a_halted_one_does_not() {
    let said = played(
        r"
        task t
          periods -exec 0
          nmax 1
          command echo done
          task.exit 0
            status
            exit
          end
        end
        run
        task stopper
          periods -exec 0
          nmax 1
          task.exec
            stop
            command true
          end
        end
        ",
    );
    assert!(
        said.contains("Scheduler is stopped, harvesting jobs"),
        "{said}"
    );
}
