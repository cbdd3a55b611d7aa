//! Is a site fit for work? A checklist, each failure with its mend.

mod hops;
mod judge;

use jiff::Timestamp;
use serde::Serialize;

use super::{Host, LinkError, Output, Patience, escape_b, master::mend};
use crate::config::site::{ArrayTasks, Connection, SchedulerKind, Site, scheduler_command};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Good.
    Pass,
    /// Works, but should be looked at.
    Warn,
    /// Work on this site will fail.
    Fail,
    /// Could not or need not be checked.
    Skipped,
}

/// One line of the checklist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was checked: `hop NAME`, `master`, `shell`, `tools`, `clock`, `scratch`, `resident`,
    /// `scheduler`, `multi-prog`, `arrays` (where the site has them), `sessions`.
    pub name: String,
    /// How it ended.
    pub ok: Verdict,
    /// What was seen.
    pub detail: String,
    /// What to do about it; present whenever `ok` is warn or fail.
    pub mend: Option<String>,
}

impl Check {
    fn pass(name: &str, detail: impl Into<String>) -> Self {
        Self::new(name, Verdict::Pass, detail, None)
    }

    fn warn(name: &str, detail: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(name, Verdict::Warn, detail, Some(mend.into()))
    }

    fn fail(name: &str, detail: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(name, Verdict::Fail, detail, Some(mend.into()))
    }

    fn skipped(name: &str, detail: impl Into<String>) -> Self {
        Self::new(name, Verdict::Skipped, detail, None)
    }

    fn new(name: &str, ok: Verdict, detail: impl Into<String>, mend: Option<String>) -> Self {
        Self {
            name: name.to_owned(),
            ok,
            detail: detail.into(),
            mend,
        }
    }
}

/// Sessions that are counted at least and at most.
const FEW_SESSIONS: u32 = 12;
const MOST_SESSIONS: u32 = 64;

const MARKER: &str = "outrigger-marker";

/// `$1` scratch; resident paths as `INDEX TAB PATH` lines on standard input.
const SURVEY: &str = r#"
for t in tar sha256sum mkdir mv ln rm find df wc sed date; do
    command -v "$t" >/dev/null 2>&1 || echo "or lacks $t"
done
echo "or sum $(printf abc | sha256sum 2>/dev/null)"
if [ ! -e "$1" ]; then echo 'or scratch missing'
elif [ ! -d "$1" ]; then echo 'or scratch file'
elif ( : >"$1/.or-doctor-$$" ) 2>/dev/null; then
    rm -f -- "$1/.or-doctor-$$"
    df -Pk -- "$1" 2>/dev/null | { read -r _; read -r _ _ _ free _; echo "or scratch free $free"; }
else echo 'or scratch readonly'; fi
while IFS='	' read -r i p; do
    q=$(printf '%b.' "$p"); q=${q%.}
    [ -e "$q" ] || echo "or resident $i"
done
echo or end
"#;

/// Examines `site`, here or over its master, in about a dozen commands. `scheduler_version` is
/// the argv that prints the scheduler's version, empty if there is none to ask; `now` is the
/// time here. Never fails: what goes wrong is a failed check. Nothing of it can log in.
pub async fn examine(
    site_name: &str,
    site: &Site,
    scheduler_version: &[String],
    now: &(dyn Fn() -> Timestamp + Send + Sync),
) -> Vec<Check> {
    examine_with(site_name, site, scheduler_version, now, Patience::default()).await
}

/// [`examine`] with other waiting times.
pub async fn examine_with(
    site_name: &str,
    site: &Site,
    scheduler_version: &[String],
    now: &(dyn Fn() -> Timestamp + Send + Sync),
    patience: Patience,
) -> Vec<Check> {
    let mut checks = Vec::new();
    let host = match &site.connection {
        Connection::None => {
            checks.push(Check::pass("master", "the site is this host"));
            Host::local()
        },
        Connection::Ssh(ssh) => {
            let attached = match Host::attach_with(site_name, ssh, patience).await {
                Ok(host) => host.probe(patience.limit).await.map(|()| host),
                Err(error) => Err(error),
            };
            match attached {
                Ok(host) => {
                    let way = hops::names(ssh).join(", ");
                    checks.push(Check::pass("master", format!("alive, through {way}")));
                    host
                },
                Err(error) => {
                    checks.extend(hops::reachable(ssh, patience.limit).await);
                    checks.push(unlinked("master", &error, site_name));
                    let rest = [
                        "shell",
                        "tools",
                        "clock",
                        "scratch",
                        "resident",
                        "scheduler",
                        "multi-prog",
                    ];
                    let arrays = arrays_asked(site).map(|_| "arrays");
                    let rest = rest.into_iter().chain(arrays).chain(["sessions"]);
                    checks.extend(rest.map(|name| Check::skipped(name, "needs the link")));
                    return checks;
                },
            }
        },
    };
    checks.push(shell(&host).await);
    checks.push(clock(&host, now).await);
    checks.extend(survey(&host, site).await);
    checks.push(scheduler(&host, scheduler_version).await);
    checks.push(multi_prog(&host, site).await);
    checks.extend(arrays(&host, site).await);
    checks.push(sessions(&host).await);
    checks
}

async fn shell(host: &Host) -> Check {
    match host.script(&format!("printf %s {MARKER}"), &[]).await {
        Ok(output) => judge::shell(&output, MARKER),
        Err(error) => lost("shell", &error),
    }
}

async fn clock(host: &Host, now: &(dyn Fn() -> Timestamp + Send + Sync)) -> Check {
    let before = now();
    let answer = host.run(&["date".into(), "+%s".into()], None).await;
    match answer {
        Ok(output) => judge::clock(before, &output, now()),
        Err(error) => lost("clock", &error),
    }
}

async fn survey(host: &Host, site: &Site) -> Vec<Check> {
    let mut listing = String::new();
    for (index, path) in site.resident.iter().enumerate() {
        listing.push_str(&index.to_string());
        listing.push('\t');
        escape_b(path.as_os_str().as_encoded_bytes(), &mut listing);
        listing.push('\n');
    }
    let args: [&[u8]; 1] = [site.scratch.as_os_str().as_encoded_bytes()];
    let answer = host
        .script_fed(SURVEY, &args, Some(listing.as_bytes()))
        .await;
    match answer {
        Ok(output) => {
            let said = output.out();
            let said: Vec<&str> = said.lines().filter_map(|l| l.strip_prefix("or ")).collect();
            if said.contains(&"end") {
                vec![
                    judge::tools(&said),
                    judge::scratch(&said, &site.scratch),
                    judge::resident(&said, &site.resident),
                ]
            } else {
                let detail = format!("exit code {}: {}", output.code, output.err().trim());
                let mend = "make /bin/sh on the site a POSIX shell, first in PATH as `sh`";
                vec![Check::fail("tools", detail, mend)]
            }
        },
        Err(error) => vec![lost("tools", &error)],
    }
}

async fn scheduler(host: &Host, argv: &[String]) -> Check {
    if argv.is_empty() {
        return Check::skipped("scheduler", "no command of its needs to be there");
    }
    match host.run(argv, None).await {
        Ok(output) => judge::scheduler(argv, &output),
        Err(error) => lost("scheduler", &error),
    }
}

async fn multi_prog(host: &Host, site: &Site) -> Check {
    if site.scheduler == SchedulerKind::Local {
        return Check::skipped("multi-prog", "the embedded launcher has no limits");
    }
    let srun = scheduler_command(site.scheduler_path.as_deref(), "srun");
    let argv = [srun, "--version".into()];
    match host.run(&argv, None).await {
        Ok(output) => judge::multi_prog(&argv.concat(), &output, &site.chunk),
        Err(error) => lost("multi-prog", &error),
    }
}

/// The job arrays of a site whose scheduler can be asked how large they may be.
fn arrays_asked(site: &Site) -> Option<&ArrayTasks> {
    let is_slurm = match site.scheduler {
        SchedulerKind::Slurm | SchedulerKind::Slurmrestd => true,
        SchedulerKind::Local | SchedulerKind::Moab => false,
    };
    site.array.as_ref().filter(|_| is_slurm)
}

/// What the scheduler says of job arrays, where it can be asked.
async fn arrays(host: &Host, site: &Site) -> Option<Check> {
    let array = arrays_asked(site)?;
    let scontrol = scheduler_command(site.scheduler_path.as_deref(), "scontrol");
    let argv = [scontrol, "show".into(), "config".into()];
    Some(match host.run(&argv, None).await {
        Ok(output) => judge::arrays(&output, array.max_tasks),
        Err(error) => lost("arrays", &error),
    })
}

async fn sessions(host: &Host) -> Check {
    let ours = host.sessions().unwrap_or(1);
    // Twice ours tells whether ours are at most half; no need to bother the site for more.
    let most = ours.saturating_mul(2).clamp(FEW_SESSIONS, MOST_SESSIONS);
    match host.count_sessions(most).await {
        Ok(Some(open)) => judge::sessions(open, most, ours),
        Ok(None) => Check::skipped("sessions", "nothing limits them on this host"),
        Err(error) => lost("sessions", &error),
    }
}

/// A check that a link error kept from its answer.
fn lost(name: &str, error: &LinkError) -> Check {
    let mend = match error {
        LinkError::Down { mend, .. } => mend.clone(),
        _ => "run doctor again; if it stays, see the site's own log".into(),
    };
    Check::fail(name, error.to_string(), mend)
}

fn unlinked(name: &str, error: &LinkError, site: &str) -> Check {
    match error {
        LinkError::Down { why, mend, .. } => Check::fail(name, why.clone(), mend.clone()),
        LinkError::SocketPath { .. } | LinkError::NoHome { .. } => Check::fail(
            name,
            error.to_string(),
            format!("set `sites.{site}.connection.socket` to a short path such as /run/or-{site}"),
        ),
        _ => Check::fail(name, error.to_string(), mend(site)),
    }
}

/// First line of what a command said, standard output first.
fn first_line(output: &Output) -> String {
    let (out, err) = (output.out(), output.err());
    let mut lines = out.lines().chain(err.lines()).map(str::trim);
    lines
        .find(|line| !line.is_empty())
        .unwrap_or_default()
        .to_owned()
}
