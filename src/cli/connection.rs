//! `outrigger connection …`: the links to sites, in an operator's hands.

use std::{
    io::{self, Write},
    time::Duration,
};

use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::{
    Global,
    exit::{CliError, Exit},
    table::{Table, note, print, print_json},
    workplace::block_on,
};
use crate::{
    config::{
        self, Loaded,
        site::{Connection, SshConnection},
        units::Seconds,
    },
    connection::{
        Asking, Record, Status, observe,
        operator::{Console, Operator, OperatorError, Started},
    },
    engine::clock::{Clock, SystemClock},
    state::Store,
};

/// The links to sites: who opened them, how long they live, and opening them anew.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  outrigger connection start mustang     log in; ssh asks for the token at this terminal
  outrigger connection status            all sites: up or down, age, time left
  outrigger connection refresh mustang   log in anew beside the old link; nothing stops")]
pub(super) enum ConnectionCommand {
    /// Bring the link up, with this terminal for the token; nothing if it is up.
    #[command(after_help = "Example:\n  outrigger connection start mustang")]
    Start(SiteArgs),
    /// Open a new link beside the old one and switch to it; what is under way goes on.
    #[command(after_help = "Example:\n  outrigger connection refresh mustang")]
    Refresh(SiteArgs),
    /// Take the link down: no new sessions, and the masters end when the last one does.
    #[command(after_help = "Example:\n  outrigger connection stop mustang --now")]
    Stop(StopArgs),
    /// Whether each line of the link runs `true` in time; exit code 3 if none does.
    #[command(after_help = "Example:\n  outrigger connection check mustang --limit 5s")]
    Check(AskArgs),
    /// How the links are: up or down, age, time left, lines, sessions.
    #[command(after_help = "Example:\n  outrigger connection status --json")]
    Status(AskArgs),
    /// Who opened which link, when, from where, and when it ends.
    #[command(after_help = "Example:\n  outrigger connection who")]
    Who(WhoArgs),
    /// Watch the links: mend lines that need no token, and tell of the end, loss and return.
    #[command(after_help = "Example:\n  outrigger connection watch --every 30s")]
    Watch(WatchArgs),
}

/// One site, or all that need a login.
#[derive(Debug, Args)]
pub(super) struct SiteArgs {
    /// The site; the only one that needs a login if absent.
    site: Option<String>,
    /// Fail instead of asking for anything.
    #[arg(long)]
    batch: bool,
    /// Print what would be run, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Which link to take down, and how.
#[derive(Debug, Args)]
pub(super) struct StopArgs {
    /// The site; the only one that needs a login if absent.
    site: Option<String>,
    /// Cut sessions that are under way.
    #[arg(long)]
    now: bool,
}

/// Which links to ask, and how long.
#[derive(Debug, Args)]
pub(super) struct AskArgs {
    /// The site; all that need a login if absent.
    site: Option<String>,
    /// Longest wait for an answer.
    #[arg(long, value_name = "TIME", default_value = "10s")]
    limit: Seconds,
    /// JSON on stdout.
    #[arg(long)]
    json: bool,
}

/// How to list.
#[derive(Debug, Args)]
pub(super) struct WhoArgs {
    /// JSON on stdout.
    #[arg(long)]
    json: bool,
}

/// How to watch.
#[derive(Debug, Args)]
pub(super) struct WatchArgs {
    /// The site; all that need a login if absent.
    site: Option<String>,
    /// Time between two looks.
    #[arg(long, value_name = "TIME", default_value = "30s")]
    every: Seconds,
    /// Longest wait for an answer.
    #[arg(long, value_name = "TIME", default_value = "10s")]
    limit: Seconds,
    /// One look only.
    #[arg(long)]
    once: bool,
}

pub(super) fn run(global: &Global, command: &ConnectionCommand) -> Result<Exit, CliError> {
    let loaded = config::load(&global.config)?;
    match command {
        ConnectionCommand::Start(arguments) => start(&loaded, arguments, false),
        ConnectionCommand::Refresh(arguments) => start(&loaded, arguments, true),
        ConnectionCommand::Stop(arguments) => stop(&loaded, arguments),
        ConnectionCommand::Check(arguments) => check(&loaded, arguments),
        ConnectionCommand::Status(arguments) => status(&loaded, arguments),
        ConnectionCommand::Who(arguments) => who(&loaded, arguments),
        ConnectionCommand::Watch(arguments) => watch(global, &loaded, arguments),
    }
}

/// Tells on stderr how an opening goes; what ssh says goes there too, as it is.
struct Terminal<'a> {
    site: &'a str,
}

impl Console for Terminal<'_> {
    fn opening(&self, n: usize, of: usize, what: &str) {
        note(&format!("{}: {n} of {of}: {what}", self.site));
    }

    fn says(&self, words: &[u8]) {
        drop(io::stderr().write_all(words));
    }
}

fn start(loaded: &Loaded, arguments: &SiteArgs, anew: bool) -> Result<Exit, CliError> {
    let (site, ssh) = one(loaded, arguments.site.as_deref())?;
    let operator = Operator::of(site, ssh).map_err(OperatorError::from)?;
    let asking = if arguments.batch {
        Asking::Nobody
    } else {
        Asking::Operator
    };
    if arguments.dry_run {
        let lines: Vec<String> = block_on(operator.commands(asking))?
            .iter()
            .filter_map(|argv| shlex::try_join(argv.iter().map(String::as_str)).ok())
            .collect();
        print(&format!("{}\n", lines.join("\n")))?;
        return Ok(Exit::Done);
    }
    let console = Terminal { site };
    let now = || SystemClock.now();
    let opened = block_on(async {
        if anew {
            let record = operator.refresh(&now, asking, &console).await?;
            return Ok::<_, OperatorError>(Started::Opened(record));
        }
        operator.start(&now, asking, &console).await
    })??;
    match opened {
        Started::AlreadyUp => {
            note(&format!(
                "{site}: the link is up already; `outrigger connection refresh {site}` opens it anew"
            ));
        },
        Started::Mended { lines } => {
            note(&format!(
                "{site}: {lines} lines opened again over the login that lives"
            ));
        },
        Started::Opened(record) => note(&opened_text(&record)),
    }
    Ok(Exit::Done)
}

fn opened_text(record: &Record) -> String {
    let end = match record.ends_at() {
        Some(end) => format!("until {}", local(end)),
        None => "with no known end (set `connection.lifetime`)".to_owned(),
    };
    format!("{}: the link is up {end}", record.site)
}

fn stop(loaded: &Loaded, arguments: &StopArgs) -> Result<Exit, CliError> {
    let (site, ssh) = one(loaded, arguments.site.as_deref())?;
    let operator = Operator::of(site, ssh).map_err(OperatorError::from)?;
    let stopped = block_on(operator.stop(arguments.now))??;
    note(&match stopped {
        0 => format!("{site}: there was no link"),
        n => format!("{site}: {n} masters told to end"),
    });
    Ok(Exit::Done)
}

fn check(loaded: &Loaded, arguments: &AskArgs) -> Result<Exit, CliError> {
    let all = ask(loaded, arguments)?;
    if arguments.json {
        print_json("sites", &all)?;
    } else {
        for status in &all {
            match (&status.why, status.up) {
                (None, _) => note(&format!(
                    "{}: all {} lines answer",
                    status.site, status.lines
                )),
                (Some(why), up) => {
                    let count = format!("{} of {} lines answer", status.lines_up, status.lines);
                    note(&format!("{}: {count}: {why}", status.site));
                    if up {
                        note(&format!(
                            "  outrigger connection start {} opens the others again",
                            status.site
                        ));
                    }
                },
            }
        }
    }
    Ok(exit_of(&all))
}

fn status(loaded: &Loaded, arguments: &AskArgs) -> Result<Exit, CliError> {
    let all = ask(loaded, arguments)?;
    if arguments.json {
        print_json("sites", &all)?;
        return Ok(exit_of(&all));
    }
    let now = SystemClock.now();
    let mut table = Table::new(&[
        "site",
        "link",
        "#age",
        "#left",
        "ends",
        "lines",
        "#sessions",
        "account",
        "opened by",
    ]);
    for status in &all {
        let age = status.link.opened_at.filter(|_| status.up);
        table.row(vec![
            status.site.clone(),
            if status.up { "up" } else { "down" }.to_owned(),
            age.map_or(String::new(), |from| span(now.duration_since(from))),
            left(status),
            status
                .link
                .ends_at
                .filter(|_| status.up)
                .map_or(String::new(), local),
            format!("{}/{}", status.lines_up, status.lines),
            status.sessions.to_string(),
            status.link.account.clone().unwrap_or_default(),
            status.link.opened_by.clone().unwrap_or_default(),
        ]);
    }
    table.print()?;
    for status in &all {
        if let Some(why) = &status.why {
            note(&format!("{}: {why}", status.site));
        }
    }
    Ok(exit_of(&all))
}

fn left(status: &Status) -> String {
    let left = status.left.filter(|_| status.up);
    left.and_then(|seconds| i64::try_from(seconds).ok())
        .map_or(String::new(), |seconds| {
            span(SignedDuration::from_secs(seconds))
        })
}

fn who(loaded: &Loaded, arguments: &WhoArgs) -> Result<Exit, CliError> {
    let mut records = Vec::new();
    for (site, ssh) in sites(loaded, None)? {
        let operator = Operator::of(site, ssh).map_err(OperatorError::from)?;
        records.extend(Record::read(&operator.sockets.record()));
    }
    if arguments.json {
        print_json("links", &records)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&["site", "opened by", "on", "at", "ends", "account"]);
    for record in &records {
        table.row(vec![
            record.site.clone(),
            record.opened_by.clone(),
            record.on_host.clone(),
            local(record.opened_at),
            record.ends_at().map_or(String::new(), local),
            record.account.clone().unwrap_or_default(),
        ]);
    }
    table.print()?;
    Ok(Exit::Done)
}

fn watch(global: &Global, loaded: &Loaded, arguments: &WatchArgs) -> Result<Exit, CliError> {
    let sites = sites(loaded, arguments.site.as_deref())?;
    let mut store = Store::open(&loaded.state_file())?;
    store.set_patience(Duration::from_secs(global.db_wait.0))?;
    let limit = Duration::from_secs(arguments.limit.0);
    block_on(async {
        loop {
            let mut all = Vec::new();
            for (site, ssh) in &sites {
                let ask = || Status::ask(site, ssh, limit, SystemClock.now());
                let mut status = ask().await.map_err(OperatorError::from)?;
                if status.lines_up < status.lines {
                    let operator = Operator::of(site, ssh).map_err(OperatorError::from)?;
                    let mended = operator.mend(&Terminal { site }).await;
                    if mended.is_ok_and(|lines| lines > 0) {
                        status = ask().await.map_err(OperatorError::from)?;
                    }
                }
                let notify = &loaded.config.notify;
                let now = SystemClock.now();
                let standing = status.standing();
                let told = observe(&mut store, notify, site, &standing, false, now);
                for line in told.await? {
                    note(&format!("{} {line}", local(now)));
                }
                all.push(status);
            }
            if arguments.once {
                return Ok(exit_of(&all));
            }
            tokio::time::sleep(Duration::from_secs(arguments.every.0.max(1))).await;
        }
    })?
}

fn ask(loaded: &Loaded, arguments: &AskArgs) -> Result<Vec<Status>, CliError> {
    let limit = Duration::from_secs(arguments.limit.0);
    let mut all = Vec::new();
    for (site, ssh) in sites(loaded, arguments.site.as_deref())? {
        let status = block_on(Status::ask(site, ssh, limit, SystemClock.now()))?;
        all.push(status.map_err(OperatorError::from)?);
    }
    Ok(all)
}

fn exit_of(all: &[Status]) -> Exit {
    if all.iter().all(|status| status.up) {
        Exit::Done
    } else {
        Exit::Login
    }
}

/// The sites that are reached by ssh: the named one, or all.
fn sites<'a>(
    loaded: &'a Loaded,
    name: Option<&'a str>,
) -> Result<Vec<(&'a str, &'a SshConnection)>, CliError> {
    if let Some(name) = name {
        return match &loaded.site(name)?.connection {
            Connection::Ssh(ssh) => Ok(vec![(name, ssh)]),
            Connection::None => Err(CliError::Usage(format!(
                "site {name} is this host: it needs no connection"
            ))),
        };
    }
    let all = loaded.config.sites.iter();
    Ok(all
        .filter_map(|(name, site)| match &site.connection {
            Connection::Ssh(ssh) => Some((name.as_str(), ssh.as_ref())),
            Connection::None => None,
        })
        .collect())
}

fn one<'a>(
    loaded: &'a Loaded,
    name: Option<&'a str>,
) -> Result<(&'a str, &'a SshConnection), CliError> {
    let all = sites(loaded, name)?;
    match all.as_slice() {
        [one] => Ok(*one),
        [] => Err(CliError::Usage(
            "no site in outrigger.yaml needs a login: all are this host".to_owned(),
        )),
        several => {
            let names: Vec<&str> = several.iter().map(|(name, _)| *name).collect();
            Err(CliError::Usage(format!(
                "name one site: {}",
                names.join(", ")
            )))
        },
    }
}

/// A time of this place, as its clocks show it.
fn local(time: Timestamp) -> String {
    let zone = TimeZone::system();
    time.to_zoned(zone).strftime("%a %H:%M %Z").to_string()
}

/// Hours and minutes.
fn span(time: SignedDuration) -> String {
    let minutes = time.as_mins().max(0);
    format!("{}:{:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_hours_and_minutes() {
        assert_eq!(
            span(SignedDuration::from_secs(11 * 3600 + 59 * 60 + 59)),
            "11:59"
        );
        assert_eq!(span(SignedDuration::from_secs(-5)), "0:00");
    }
}
