//! Against a directory of this machine, with the scripts as they go to a site.

use std::{
    fs,
    process::{Command, Stdio},
};

use super::*;

const TOKEN: &str = "or-1-1-00000000";

fn ask(argv: &[String]) -> Output {
    let output = Command::new(&argv[0])
        .args(&argv[1..])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Output {
        code: output.status.code().unwrap_or(-1),
        stdout: output.stdout,
        stderr: output.stderr,
    }
}

fn words(line: &str) -> Vec<String> {
    ["sh", "-c", line].map(str::to_owned).to_vec()
}

fn look(once: Once<'_>) -> Trace {
    read_look(&ask(&once.look())).unwrap()
}

#[test]
fn a_token_is_submitted_once_and_its_answer_is_told_again() {
    let dir = tempfile::tempdir().unwrap();
    let once = Once {
        dir: dir.path(),
        token: TOKEN,
    };
    assert_eq!(look(once).sent, Sent::Never);
    let command = words("echo ran >>count; echo '@outrigger end'; echo 17; echo no >&2; exit 3");
    let command = vec![
        "env".into(),
        "-C".into(),
        dir.path().to_str().unwrap().into(),
    ]
    .into_iter()
    .chain(command)
    .collect::<Vec<_>>();
    let first = ask(&once.submit(command.clone(), false));
    assert_eq!((first.code, &*first.out()), (3, "@outrigger end\n17\n"));
    assert_eq!(look(once).sent, Sent::Answered(first));

    let second = ask(&once.submit(command.clone(), false));
    assert!(is_taken(&second), "{second:?}");
    assert_eq!(
        fs::read_to_string(dir.path().join("count")).unwrap(),
        "ran\n"
    );
    ask(&once.submit(command, true));
    assert_eq!(
        fs::read_to_string(dir.path().join("count")).unwrap(),
        "ran\nran\n"
    );
}

#[test]
fn a_submission_under_way_is_told_from_one_whose_maker_died() {
    let dir = tempfile::tempdir().unwrap();
    let once = Once {
        dir: dir.path(),
        token: TOKEN,
    };
    let go = dir.path().join("go");
    let argv = once.submit(words(&format!("cat {}", go.display())), false);
    // A pipe that nobody writes to holds it up.
    rustix::fs::mkfifoat(rustix::fs::CWD, &go, rustix::fs::Mode::RWXU).unwrap();
    let mut maker = Command::new(&argv[0])
        .args(&argv[1..])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let by = dir.path().join(format!("{TOKEN}.submit/out"));
    while !by.exists() {
        std::thread::yield_now();
    }
    assert_eq!(look(once).sent, Sent::UnderWay);
    assert!(is_taken(&ask(&once.submit(words("true"), false))));
    maker.kill().unwrap();
    maker.wait().unwrap();
    assert_eq!(look(once).sent, Sent::Cut);
    fs::File::options().write(true).open(&go).unwrap();
}

#[test]
fn a_closed_token_stays_closed_and_one_that_began_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let once = Once {
        dir: dir.path(),
        token: TOKEN,
    };
    assert_eq!(look(once).claim, Claim::Free);
    let claim = dir.path().join(format!("{TOKEN}.claim"));
    fs::create_dir(&claim).unwrap();
    assert_eq!(look(once).claim, Claim::Begins);
    fs::write(claim.join("job_id"), "17\n").unwrap();
    assert_eq!(look(once).claim, Claim::Taken("17".parse().ok()));
    let fence = || read_fence(&ask(&once.fence())).unwrap();
    assert_eq!(fence(), Fence::Begun("17".parse().ok()));
    fs::remove_dir_all(claim).unwrap();
    assert_eq!(fence(), Fence::Closed);
    assert_eq!(fence(), Fence::Closed);
    assert_eq!(look(once).claim, Claim::Closed);
    let gone = Once {
        dir: &dir.path().join("gone"),
        token: TOKEN,
    };
    assert_eq!(read_fence(&ask(&gone.fence())), Ok(Fence::Closed));
}

#[test]
fn of_an_array_that_began_the_tasks_that_did_not_are_closed() {
    let dir = tempfile::tempdir().unwrap();
    let once = Once {
        dir: dir.path(),
        token: TOKEN,
    };
    let claim = dir.path().join(format!("{TOKEN}.claim"));
    fs::create_dir_all(claim.join("1")).unwrap();
    fs::write(claim.join("job_id"), "17\n").unwrap();
    let begun = Ok(Fence::Begun("17".parse().ok()));
    assert_eq!(read_fence(&ask(&once.fence())), begun);
    assert!(!claim.join("0").exists());
    assert_eq!(read_fence(&ask(&once.fence_tasks(3))), begun);
    let is_closed = |task: &str| claim.join(task).join("closed").exists();
    assert!(is_closed("0") && !is_closed("1") && is_closed("2"));
    fs::remove_dir_all(claim).unwrap();
    assert_eq!(read_fence(&ask(&once.fence_tasks(3))), Ok(Fence::Closed));
}

#[test]
fn an_answer_that_is_cut_off_proves_nothing() {
    let cut = Output {
        code: 0,
        stdout: b"@outrigger under way\n".to_vec(),
        stderr: Vec::new(),
    };
    assert!(read_look(&cut).is_err());
    let silent = Output {
        code: 0,
        stdout: Vec::new(),
        stderr: Vec::new(),
    };
    assert!(read_look(&silent).is_err() && read_fence(&silent).is_err());
}
