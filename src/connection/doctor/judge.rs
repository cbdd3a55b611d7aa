//! What the answers of a site mean.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{Check, Output, first_line};
use crate::config::{site::ChunkLimits, units::Bytes};

/// sha256 of `abc`, the standard's own example.
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
/// Skew in seconds that is worth a word, and one that spoils file ages and lease times.
const SKEW_WARN: i64 = 5;
const SKEW_FAIL: i64 = 60;
/// Free scratch below this is worth a word.
const LITTLE: u64 = 10 << 30;
/// Longest line of a multi-prog config in bytes (lab README §2).
const MOST_LINE: u64 = 16_382;

pub(super) fn shell(output: &Output, marker: &str) -> Check {
    if output.ok() && output.stdout == marker.as_bytes() {
        return Check::pass("shell", "says nothing of its own");
    }
    let said = output.out();
    if said.contains(marker) {
        let noise = said.replace(marker, "");
        let noise = noise.trim();
        return Check::fail(
            "shell",
            format!("a start-up file prints `{noise}` into every command's output"),
            "in the start-up file on the site (~/.bashrc, ~/.cshrc, /etc/profile.d) that prints \
             this, stop before it unless the shell is interactive: `case $- in *i*) ;; *) \
             return;; esac`; or ask the site if it is a forced command",
        );
    }
    Check::fail(
        "shell",
        format!(
            "`sh` did not run: exit code {}, {}",
            output.code,
            first_line(output)
        ),
        "the login shell on the site must run `sh -c`: ask for an ordinary shell (chsh)",
    )
}

pub(super) fn tools(said: &[&str]) -> Check {
    let lacks: Vec<&str> = said
        .iter()
        .filter_map(|l| l.strip_prefix("lacks "))
        .collect();
    if !lacks.is_empty() {
        return Check::fail(
            "tools",
            format!("not in PATH: {}", lacks.join(", ")),
            "install them on the site, or put their directory in PATH for commands over ssh",
        );
    }
    let sum = said.iter().find_map(|line| line.strip_prefix("sum "));
    if sum.is_none_or(|sum| !sum.starts_with(ABC)) {
        return Check::fail(
            "tools",
            "sha256sum gives a wrong or no answer",
            "put a working sha256sum (GNU coreutils) first in PATH on the site",
        );
    }
    Check::pass("tools", "sh, tar and sha256sum work")
}

pub(super) fn scratch(said: &[&str], scratch: &Path) -> Check {
    let path = scratch.display();
    match said.iter().find_map(|line| line.strip_prefix("scratch ")) {
        Some("missing") => Check::fail(
            "scratch",
            format!("{path} does not exist"),
            format!("on the site: mkdir -p '{path}', or set `scratch` to a directory of yours"),
        ),
        Some("file") => Check::fail(
            "scratch",
            format!("{path} is not a directory"),
            "set `scratch` to a directory of yours on the site",
        ),
        Some("readonly") => Check::fail(
            "scratch",
            format!("{path} cannot be written"),
            format!("on the site: chmod u+w '{path}', or set `scratch` to a directory of yours"),
        ),
        other => {
            let kib = other.and_then(|word| word.strip_prefix("free ")?.parse::<u64>().ok());
            let free = kib.map(|kib| kib.saturating_mul(1024));
            let gib =
                |bytes: u64| format!("{}.{} GiB", bytes >> 30, (bytes >> 20) % 1024 * 10 / 1024);
            match free {
                None => Check::warn(
                    "scratch",
                    format!("{path} is writable, its free space is not known"),
                    format!("on the site: see why `df -P '{path}'` fails"),
                ),
                Some(free) if free < LITTLE => Check::warn(
                    "scratch",
                    format!("{path} has only {} free", gib(free)),
                    "clean old runs (`outrigger remote clean`), or ask for a larger quota",
                ),
                Some(free) => Check::pass("scratch", format!("{path} has {} free", gib(free))),
            }
        },
    }
}

pub(super) fn resident(said: &[&str], paths: &[PathBuf]) -> Check {
    let missing: Vec<String> = said
        .iter()
        .filter_map(|line| line.strip_prefix("resident ")?.parse().ok())
        .filter_map(|index: usize| Some(paths.get(index)?.display().to_string()))
        .collect();
    if missing.is_empty() {
        return Check::pass("resident", format!("{} paths, all there", paths.len()));
    }
    Check::fail(
        "resident",
        format!("not on the site: {}", missing.join(", ")),
        "install them there once (they are never shipped), or correct `resident`",
    )
}

pub(super) fn clock(before: Timestamp, answer: &Output, after: Timestamp) -> Check {
    let Ok(there) = answer
        .out()
        .lines()
        .last()
        .unwrap_or_default()
        .trim()
        .parse::<i64>()
    else {
        return Check::fail(
            "clock",
            format!("`date +%s` answered `{}`", first_line(answer)),
            "put a `date` that knows +%s (GNU coreutils) first in PATH on the site",
        );
    };
    let (before, after) = (before.as_second(), after.as_second());
    let skew = if there < before {
        there - before
    } else {
        (there - after).max(0)
    };
    let detail = match skew {
        0 => "agrees with ours".to_owned(),
        ..0 => format!("{} s behind ours", -skew),
        _ => format!("{skew} s ahead of ours"),
    };
    let mend = "set the wrong one right: `chronyc tracking` or `timedatectl` here and on the \
                site show which is synchronized; if it is the site's, tell its operators";
    match skew.abs() {
        SKEW_FAIL.. => Check::fail("clock", detail, mend),
        SKEW_WARN.. => Check::warn("clock", detail, mend),
        _ => Check::pass("clock", detail),
    }
}

pub(super) fn scheduler(argv: &[String], answer: &Output) -> Check {
    let command = argv.join(" ");
    let line = first_line(answer);
    if answer.ok() {
        return Check::pass("scheduler", line);
    }
    let mend = if answer.code == 127 {
        "set `scheduler_path` to the directory of the scheduler's commands on the site".to_owned()
    } else {
        format!("on the site, see why `{command}` fails; its daemon may be down")
    };
    Check::fail(
        "scheduler",
        format!("`{command}`: exit code {}, {line}", answer.code),
        mend,
    )
}

pub(super) fn multi_prog(command: &str, answer: &Output, chunk: &ChunkLimits) -> Check {
    const NAME: &str = "multi-prog";
    let line = first_line(answer);
    if !answer.ok() {
        return Check::fail(
            NAME,
            format!("no srun: exit code {} of `{command}`, {line}", answer.code),
            "set `scheduler_path` to the directory of srun, or load its module in the login \
             shell's start-up file",
        );
    }
    let Some(limit) = multi_prog_limit(&line) else {
        return Check::warn(
            NAME,
            format!("srun's version is not clear from `{line}`"),
            "keep `chunk.max_bytes` at 60000",
        );
    };
    let most = |bytes: u64| Bytes(bytes).to_string();
    if chunk.max_bytes.0 > limit {
        return Check::fail(
            NAME,
            format!(
                "{line} takes configs of {}, `chunk.max_bytes` is {}",
                most(limit),
                chunk.max_bytes
            ),
            format!("set `chunk.max_bytes` to {limit}"),
        );
    }
    if chunk.max_line.0 > MOST_LINE {
        return Check::fail(
            NAME,
            format!(
                "srun takes lines of {MOST_LINE} B, `chunk.max_line` is {}",
                chunk.max_line
            ),
            format!("set `chunk.max_line` to {MOST_LINE}"),
        );
    }
    let detail = format!(
        "{line}: configs of {}, ours {}",
        most(limit),
        chunk.max_bytes
    );
    Check::pass(NAME, detail)
}

/// `answer` is what `scontrol show config` says.
pub(super) fn arrays(answer: &Output, max_tasks: u32) -> Check {
    const NAME: &str = "arrays";
    let said = answer.out();
    let mut settings = said.lines().filter_map(|line| line.split_once('='));
    let limit = settings.find(|(key, _)| key.trim() == "MaxArraySize");
    let Some(limit) = limit.and_then(|(_, value)| value.trim().parse::<u32>().ok()) else {
        let line = first_line(answer);
        return Check::warn(
            NAME,
            format!(
                "MaxArraySize is not told: exit code {}, {line}",
                answer.code
            ),
            "see `scontrol show config` on the site; `array.max_tasks` must not be above it",
        );
    };
    // The numbers of tasks are below it, and ours begin at 0.
    if max_tasks > limit {
        let detail = format!("MaxArraySize is {limit}, `array.max_tasks` is {max_tasks}");
        let mend = match limit {
            0 => "remove `array`: the site allows no job arrays".to_owned(),
            _ => format!("set `array.max_tasks` to {limit}"),
        };
        return Check::fail(NAME, detail, mend);
    }
    Check::pass(NAME, format!("of up to {limit} tasks, ours {max_tasks}"))
}

/// Largest multi-prog config in bytes that this srun takes: 60,000 before 25.05.2, 512 MiB from
/// then on (design §6).
fn multi_prog_limit(version: &str) -> Option<u64> {
    let word = version.split_whitespace().last()?;
    let mut numbers = word.split(['.', '-']).map_while(|n| n.parse::<u32>().ok());
    let found = (
        numbers.next()?,
        numbers.next()?,
        numbers.next().unwrap_or(0),
    );
    Some(if found < (25, 5, 2) {
        60_000
    } else {
        512 << 20
    })
}

pub(super) fn sessions(open: u32, most: u32, ours: u32) -> Check {
    const NAME: &str = "sessions";
    let mend = format!("set `connection.sessions` to {}", (open / 2).max(1));
    let allowed = if open >= most {
        format!("{open} or more")
    } else {
        open.to_string()
    };
    let detail = format!("the master bears {allowed} at once, `connection.sessions` is {ours}");
    // A front end gives a session back a little late: only half of them never fail (design §4.8).
    if ours <= open / 2 {
        Check::pass(NAME, detail)
    } else if ours <= open {
        Check::warn(NAME, detail, mend)
    } else {
        Check::fail(NAME, detail, mend)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::{super::Verdict, *};

    fn said(code: i32, text: &str) -> Output {
        Output {
            code,
            stdout: text.as_bytes().to_vec(),
            stderr: Vec::new(),
        }
    }

    #[rstest]
    #[case("slurm 22.05.8", Some(60_000))]
    #[case("slurm-wlm 25.05.1", Some(60_000))]
    #[case("slurm 25.05.2", Some(512 << 20))]
    #[case("slurm 25.11.0-rc1", Some(512 << 20))]
    #[case("not slurm", None)]
    #[case("", None)]
    fn the_multi_prog_limit_follows_from_the_version(
        #[case] text: &str,
        #[case] limit: Option<u64>,
    ) {
        assert_eq!(multi_prog_limit(text), limit);
    }

    #[rstest]
    #[case(1000, 1001, 1000, Verdict::Pass)]
    #[case(1000, 1030, 1015, Verdict::Pass)]
    #[case(1000, 1001, 990, Verdict::Warn)]
    #[case(1000, 1001, 1100, Verdict::Fail)]
    #[case(1000, 1001, 0, Verdict::Fail)]
    fn skew_is_what_the_answers_time_in_flight_cannot_explain(
        #[case] before: i64,
        #[case] after: i64,
        #[case] there: i64,
        #[case] verdict: Verdict,
    ) {
        let at = |second| Timestamp::from_second(second).unwrap();
        let check = clock(at(before), &said(0, &format!("{there}\n")), at(after));
        assert_eq!(check.ok, verdict);
        assert_eq!(check.mend.is_some(), verdict != Verdict::Pass);
    }

    #[rstest]
    #[case(10, 5, Verdict::Pass)]
    #[case(10, 6, Verdict::Warn)]
    #[case(10, 11, Verdict::Fail)]
    #[case(12, 6, Verdict::Pass)]
    #[case(1, 1, Verdict::Warn)]
    fn more_than_half_of_the_sessions_is_worth_a_word(
        #[case] open: u32,
        #[case] ours: u32,
        #[case] verdict: Verdict,
    ) {
        assert_eq!(sessions(open, 12, ours).ok, verdict);
    }

    #[test]
    fn a_config_limit_above_sruns_own_names_the_number_to_set() {
        let chunk = ChunkLimits {
            max_bytes: Bytes(70_000),
            ..ChunkLimits::default()
        };
        let check = multi_prog("srun --version", &said(0, "slurm 22.05.8\n"), &chunk);
        assert_eq!(check.ok, Verdict::Fail);
        assert_eq!(check.mend.unwrap(), "set `chunk.max_bytes` to 60000");
    }

    #[rstest]
    #[case("MaxArraySize            = 1001\n", Verdict::Pass, None)]
    #[case(
        "MaxArraySize = 999\n",
        Verdict::Fail,
        Some("set `array.max_tasks` to 999")
    )]
    #[case("MaxArraySize = 0\n", Verdict::Fail, Some("remove `array`"))]
    #[case("scontrol: error\n", Verdict::Warn, Some("scontrol show config"))]
    fn arrays_may_have_as_many_tasks_as_the_site_allows(
        #[case] text: &str,
        #[case] verdict: Verdict,
        #[case] mend: Option<&str>,
    ) {
        let check = arrays(&said(0, &format!("MaxJobCount = 10000\n{text}")), 1000);
        assert_eq!(check.ok, verdict, "{check:?}");
        let found = check.mend.unwrap_or_default();
        assert_eq!(found.is_empty(), mend.is_none(), "{found}");
        assert!(found.contains(mend.unwrap_or_default()), "{found}");
    }

    #[test]
    fn without_srun_the_mend_is_scheduler_path() {
        let answer = said(127, "sh: srun: not found");
        let check = multi_prog("srun --version", &answer, &ChunkLimits::default());
        assert_eq!(check.ok, Verdict::Fail);
        assert!(check.mend.unwrap().contains("scheduler_path"));
    }

    #[test]
    fn a_banner_in_the_output_is_named() {
        let check = shell(&said(0, "Welcome\nmark"), "mark");
        assert_eq!(check.ok, Verdict::Fail);
        assert!(check.detail.contains("`Welcome`"));
    }

    #[test]
    fn a_tool_that_lacks_is_named() {
        let check = tools(&["lacks tar", "lacks sha256sum", "sum "]);
        assert_eq!(check.ok, Verdict::Fail);
        assert_eq!(check.detail, "not in PATH: tar, sha256sum");
        assert_eq!(tools(&["sum 00"]).ok, Verdict::Fail);
    }

    #[rstest]
    #[case("scratch missing", Verdict::Fail)]
    #[case("scratch file", Verdict::Fail)]
    #[case("scratch readonly", Verdict::Fail)]
    #[case("scratch free 1024", Verdict::Warn)]
    #[case("scratch free 999999999", Verdict::Pass)]
    fn scratch_must_be_there_writable_and_roomy(#[case] line: &str, #[case] verdict: Verdict) {
        let check = scratch(&[line], Path::new("/scratch"));
        assert_eq!(check.ok, verdict);
        assert_eq!(check.mend.is_some(), verdict != Verdict::Pass);
    }
}
