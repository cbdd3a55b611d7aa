//! What jobs left on the site: how they ended and what they wrote.

use crate::process::Outcome;

/// Most bytes of one output that come home.
pub(super) const MOST: u64 = 16 << 20;
/// About so many bytes come at once.
pub(super) const LOAD: u64 = 32 << 20;

/// For each line of a directory, a tab and a job's place: prints whether the job has begun, or its
/// end and what it wrote, as far as its length was told: what a job left running may write on. `$1` is
/// the most of one output, `$2` about the most of all.
pub(super) const SCRIPT: &str = r#"part() {
  most=$2
  [ "$1" -gt "$most" ] || most=$1
  [ "$most" -eq 0 ] || head -c "$most" "$3"
}
left=$2
n=0
tab=$(printf '\t')
while IFS=$tab read -r dir i; do
  if [ "$left" -gt 0 ] && [ -e "$dir/$i.end" ]; then
    code= begin= end= out=0 err=0
    read -r code begin end <"$dir/$i.end"
    [ ! -e "$dir/$i.out" ] || out=$(($(wc -c <"$dir/$i.out")))
    [ ! -e "$dir/$i.err" ] || err=$(($(wc -c <"$dir/$i.err")))
    printf 'or end %s %s %s %s %s %s\n' "$n" "$code" "$begin" "$end" "$out" "$err"
    part "$out" "$1" "$dir/$i.out"
    part "$err" "$1" "$dir/$i.err"
    left=$((left - out - err))
  elif [ -e "$dir/claim.$i" ]; then
    echo "or begun $n"
  else
    echo "or free $n"
  fi
  n=$((n + 1))
done
echo "or all $n""#;

/// How one job stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Left {
    /// No worker has taken it.
    Free,
    /// It has begun.
    Begun,
    /// It is over.
    Ended(Ended),
}

/// The end of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    pub(super) seconds: u64,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

/// What [`SCRIPT`] printed about `count` jobs.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(answer: &[u8], count: usize) -> Result<Vec<Left>, String> {
    let mut left = answer;
    let mut jobs = Vec::with_capacity(count);
    loop {
        let line = take_line(&mut left).ok_or("the site's answer is cut off")?;
        let Some(line) = line.strip_prefix("or ") else {
            // What a login shell prints.
            continue;
        };
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["all", number] if *number == count.to_string() && jobs.len() == count => {
                return Ok(jobs);
            },
            ["free", _] => jobs.push(Left::Free),
            ["begun", _] => jobs.push(Left::Begun),
            ["end", _, code, begin, end, out, err] => {
                let number = |word: &str| word.parse::<u64>().ok();
                let (out, err) = number(out).zip(number(err)).ok_or("sizes are no numbers")?;
                let stdout = take_bytes(&mut left, out).ok_or("an output is cut off")?;
                let stderr = take_bytes(&mut left, err).ok_or("an output is cut off")?;
                let span = number(begin).zip(number(end));
                jobs.push(Left::Ended(Ended {
                    outcome: outcome(code, out.max(err)),
                    seconds: span.map_or(0, |(begin, end)| end.saturating_sub(begin)),
                    stdout,
                    stderr,
                }));
            },
            _ => return Err(format!("the site answered with `{line}`")),
        }
    }
}

/// How a job came to its end, of which `code` was left and whose longer output has so many bytes.
fn outcome(code: &str, longest: u64) -> Outcome {
    if longest > MOST {
        return Outcome::Lost(format!(
            "its output of {longest} bytes is longer than the {MOST} that come home from a site"
        ));
    }
    match (code, code.parse::<i32>()) {
        ("stopped", _) => Outcome::Stopped,
        ("blocked", _) => Outcome::Blocked,
        // A shell says so of signals; programs that exit with -1 say 255.
        (_, Ok(code @ 129..=192)) => Outcome::Signal(code - 128),
        (_, Ok(code)) => Outcome::Exit(code),
        _ => Outcome::Lost(format!("it left `{}` as its end", code.escape_debug())),
    }
}

fn take_line<'a>(left: &mut &'a [u8]) -> Option<std::borrow::Cow<'a, str>> {
    let end = left.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = left.split_at_checked(end)?;
    *left = rest.get(1..)?;
    Some(String::from_utf8_lossy(line))
}

fn take_bytes(left: &mut &[u8], length: u64) -> Option<Vec<u8>> {
    let length = usize::try_from(length.min(MOST)).ok()?;
    let (bytes, rest) = left.split_at_checked(length)?;
    *left = rest;
    Some(bytes.to_vec())
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[test]
    fn what_a_site_answers_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &[u8]| std::fs::write(dir.path().join(name), text).unwrap();
        put("0.end", b"3 100 107\n");
        put("0.out", b"or all 3\nbinary \xff\0");
        put("0.err", b"");
        std::fs::create_dir(dir.path().join("claim.1")).unwrap();
        let shown = dir.path().display();
        let list = [0, 1, 2].map(|i| format!("{shown}\t{i}\n")).concat();
        let answer = ask(&list, "1000");
        let ended = Ended {
            outcome: Outcome::Exit(3),
            seconds: 7,
            stdout: b"or all 3\nbinary \xff\0".to_vec(),
            stderr: Vec::new(),
        };
        let read = read(&answer, 3).unwrap();
        assert_eq!(read, [Left::Ended(ended), Left::Begun, Left::Free]);
    }

    #[test]
    fn what_a_child_of_a_job_still_writes_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("0.end"), "0 100 107\n").unwrap();
        let mut child = Command::new("sh")
            .args(["-c", "while :; do echo more; done >>\"$1\"", "sh"])
            .arg(dir.path().join("0.out"))
            .spawn()
            .unwrap();
        let list = format!("{}\t0\n", dir.path().display());
        let mut sizes = std::collections::BTreeSet::new();
        while sizes.len() < 20 {
            let left = read(&ask(&list, "100000000"), 1).unwrap();
            let [Left::Ended(ended)] = left.as_slice() else {
                panic!("{left:?}");
            };
            sizes.insert(ended.stdout.len());
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// What [`SCRIPT`] prints about the jobs of a list, at most so many bytes of an output.
    fn ask(list: &str, most: &str) -> Vec<u8> {
        let mut child = Command::new("sh")
            .args(["-c", SCRIPT, "sh", most, "100000000"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), list.as_bytes()).unwrap();
        child.wait_with_output().unwrap().stdout
    }

    #[rstest]
    #[case("0", Outcome::Exit(0))]
    #[case("255", Outcome::Exit(255))]
    #[case("137", Outcome::Signal(9))]
    #[case("stopped", Outcome::Stopped)]
    fn an_end_is_told_by_its_code(#[case] code: &str, #[case] wanted: Outcome) {
        assert_eq!(outcome(code, 0), wanted);
    }

    proptest! {
        #[test]
        fn half_an_answer_is_an_error(cut in 0_usize..40) {
            let whole = b"or free 0\nor end 1 0 1 2 3 0\nabcor all 2\n";
            prop_assert!(read(whole, 2).is_ok());
            prop_assert!(read(&whole[..cut.min(whole.len() - 1)], 2).is_err());
        }

        #[test]
        fn no_bytes_make_the_reader_panic(answer: Vec<u8>, count in 0_usize..5) {
            let _read = read(&answer, count);
        }
    }
}
