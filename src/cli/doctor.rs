//! `outrigger doctor`: are the sites fit for work?

use std::{fmt::Write as _, path::Path};

use clap::Args;
use indexmap::IndexMap;

use super::{
    Global,
    exit::{CliError, Exit},
    table::{print, print_json},
    workplace::block_on,
};
use crate::{
    batch,
    config::{
        self,
        site::{SchedulerKind, Site},
    },
    connection::{
        Host,
        doctor::{Check, Verdict, examine},
    },
    engine::clock::{Clock, SystemClock},
};

/// Examine sites: link, shell, tools, clock, scratch, scheduler, limits; each failure with its mend.
///
/// Exit code 1: something fails; 3: the link is down.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  outrigger doctor mustang
  outrigger doctor --json")]
pub(super) struct DoctorArgs {
    /// The site; all of outrigger.yaml if absent.
    site: Option<String>,
    /// JSON on stdout.
    #[arg(long)]
    json: bool,
}

/// The check that is asked of the scheduler's daemon itself, where it has one.
const SCHEDULER: &str = "scheduler";

pub(super) fn run(global: &Global, arguments: &DoctorArgs) -> Result<Exit, CliError> {
    let loaded = config::load(&global.config)?;
    let sites: Vec<(&str, &Site)> = if let Some(name) = &arguments.site {
        vec![(name, loaded.site(name)?)]
    } else {
        let sites = loaded.config.sites.iter();
        sites.map(|(name, site)| (name.as_str(), site)).collect()
    };
    let program = std::env::current_exe()
        .map_err(|error| CliError::Failed(format!("cannot tell where this program is: {error}")))?;
    let mut found: IndexMap<&str, Vec<Check>> = IndexMap::new();
    for (name, site) in sites {
        let checks = block_on(checks(name, site, &program))?;
        if !arguments.json {
            print(&text(name, &checks))?;
        }
        found.insert(name, checks);
    }
    if arguments.json {
        print_json("sites", &found)?;
    }
    Ok(exit_of(found.values().map(Vec::as_slice)))
}

async fn checks(name: &str, site: &Site, program: &Path) -> Vec<Check> {
    let command = batch::version_command(site).unwrap_or_default();
    let mut checks = examine(name, site, &command, &|| SystemClock.now()).await;
    let linked = checks
        .iter()
        .any(|check| check.name == "master" && check.ok == Verdict::Pass);
    let place = checks.iter_mut().find(|check| check.name == SCHEDULER);
    if site.scheduler == SchedulerKind::Slurmrestd
        && linked
        && let Some(place) = place
    {
        *place = daemon(name, site, program).await;
    }
    checks
}

/// Whether the scheduler's daemon answers.
async fn daemon(name: &str, site: &Site, program: &Path) -> Check {
    let asked = match Host::open(name, site).await {
        Ok(host) => batch::scheduler(site, program, &host).version().await,
        Err(error) => Err(error.into()),
    };
    let (ok, detail) = match asked {
        Ok(version) => (Verdict::Pass, version.text),
        Err(error) => (Verdict::Fail, error.to_string()),
    };
    let mend = "see that slurmrestd runs, and that `rest` says where and how it is reached";
    Check {
        name: SCHEDULER.to_owned(),
        mend: (ok == Verdict::Fail).then(|| mend.to_owned()),
        ok,
        detail,
    }
}

fn text(site: &str, checks: &[Check]) -> String {
    let widest = checks.iter().map(|check| check.name.chars().count());
    let width = widest.max().unwrap_or_default();
    let mut text = format!("{site}\n");
    for check in checks {
        let mark = match check.ok {
            Verdict::Pass => "✓",
            Verdict::Warn => "!",
            Verdict::Fail => "✗",
            Verdict::Skipped => "-",
        };
        let _infallible = writeln!(text, "  {mark} {:<width$}  {}", check.name, check.detail);
        if let Some(mend) = &check.mend {
            let _infallible = writeln!(text, "    {:<width$}  mend: {mend}", "");
        }
    }
    text
}

/// 1 if anything fails on a site whose link is up, else 3 if a link is down.
fn exit_of<'a>(sites: impl Iterator<Item = &'a [Check]>) -> Exit {
    let mut exit = Exit::Done;
    for checks in sites {
        let fails = |check: &&Check| check.ok == Verdict::Fail;
        if checks
            .iter()
            .filter(fails)
            .any(|check| check.name == "master")
        {
            if exit == Exit::Done {
                exit = Exit::Login;
            }
        } else if checks.iter().any(|check| fails(&check)) {
            exit = Exit::Failed;
        }
    }
    exit
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, ok: Verdict) -> Check {
        let mend = (ok == Verdict::Fail).then(|| "do this".to_owned());
        Check {
            name: name.to_owned(),
            ok,
            detail: "seen".to_owned(),
            mend,
        }
    }

    #[test]
    fn each_line_shows_its_verdict_and_each_failure_its_mend() {
        let checks = [
            check("master", Verdict::Pass),
            check("clock", Verdict::Warn),
            check("scratch", Verdict::Fail),
            check("multi-prog", Verdict::Skipped),
        ];
        insta::assert_snapshot!(text("cluster", &checks), @r"
        cluster
          ✓ master      seen
          ! clock       seen
          ✗ scratch     seen
                        mend: do this
          - multi-prog  seen
        ");
    }

    #[test]
    fn a_failure_is_1_a_link_that_is_down_is_3_and_a_warning_is_0() {
        let exit = |sites: &[&[Check]]| exit_of(sites.iter().copied());
        let down = [
            check("hop a", Verdict::Fail),
            check("master", Verdict::Fail),
        ];
        let broken = [
            check("master", Verdict::Pass),
            check("tools", Verdict::Fail),
        ];
        let good = [
            check("clock", Verdict::Warn),
            check("shell", Verdict::Skipped),
        ];
        assert_eq!(exit(&[&good]), Exit::Done);
        assert_eq!(exit(&[&good, &down]), Exit::Login);
        assert_eq!(exit(&[&broken, &down]), Exit::Failed);
        assert_eq!(exit(&[&down, &broken]), Exit::Failed);
    }
}
