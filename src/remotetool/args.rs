//! From a command line to a request.

use std::{
    num::{NonZeroU32, ParseIntError},
    str::FromStr,
};

use jiff::{Timestamp, civil, tz::TimeZone};

use super::{
    options::{self, Kind, ModeSpec, OptionSpec},
    request::{
        Command, ComponentChange, ComponentFilter, Define, DonePrepFilter, JobId, Listing, Mode,
        Request, RunChange, RunFilter,
    },
    usage::{Problem, UsageError, nearest, usage},
    words::UnknownWord,
};

/// Reads a command line, without the program's name.
///
/// As in the original the mode may stand anywhere, and psLib's `-v`, `-vv`, `-vvv`, `-logfmt F`
/// and `-trace FACILITY LEVEL` are taken and ignored. Every `-label` counts, where the original
/// kept the last; any other option given twice with different values is refused.
///
/// # Errors
/// What is wrong with it, with the usage of the mode.
pub fn parse<I>(args: I) -> Result<Request, UsageError>
where
    I: IntoIterator,
    I::Item: Into<String>,
{
    let line = Line::read(args.into_iter().map(Into::into))?;
    let problem = |problem| UsageError::new(problem, line.mode);
    if line.help {
        return Ok(Request::Help(usage(line.mode)));
    }
    let mode = line.mode.ok_or_else(|| problem(Problem::NoMode))?;
    let given = Given::of(mode, line.options).map_err(problem)?;
    let command = given.command(mode.kind).map_err(problem)?;
    Ok(Request::Run(command))
}

/// The words of a command line, sorted.
#[derive(Default)]
struct Line {
    mode: Option<&'static ModeSpec>,
    help: bool,
    options: Vec<(&'static OptionSpec, String)>,
}

impl Line {
    fn read(args: impl Iterator<Item = String>) -> Result<Self, UsageError> {
        let mut line = Self::default();
        let mut extra: Vec<String> = Vec::new();
        let mut unknown: Option<String> = None;
        let mut problem: Option<Problem> = None;
        let mut args = args.peekable();
        while let Some(arg) = args.next() {
            if let Some(mode) = options::mode(&arg) {
                match line.mode {
                    Some(first) if first.name != mode.name => {
                        let two = Problem::SeveralModes(first.name, mode.name);
                        return Err(UsageError::new(two, None));
                    },
                    _ => line.mode = Some(mode),
                }
            } else if let Some(option) = options::option(&arg) {
                match option.value {
                    None => line.options.push((option, String::new())),
                    Some(_) => match args.next_if(|next| !is_known(next)) {
                        Some(value) => line.options.push((option, value)),
                        None => problem = problem.or(Some(Problem::NoValue(option.name))),
                    },
                }
            } else if let Some(ignored) = ignored_values(&arg) {
                for _ in 0..ignored {
                    args.next();
                }
            } else if matches!(arg.as_str(), "-h" | "-help" | "--help") {
                line.help = true;
            } else if arg.starts_with(['-', '+']) {
                unknown = unknown.or(Some(arg));
            } else {
                extra.push(arg);
            }
        }
        if let Some(option) = unknown {
            let nearest = nearest(&option, line.mode);
            problem = Some(Problem::UnknownOption { option, nearest });
        }
        let problem =
            problem.or_else(|| (!extra.is_empty()).then(|| Problem::Extra(extra.join(" "))));
        match problem {
            Some(problem) if !line.help => Err(UsageError::new(problem, line.mode)),
            _ => Ok(line),
        }
    }
}

fn is_known(arg: &str) -> bool {
    options::mode(arg).is_some() || options::option(arg).is_some()
}

/// How many values a psLib option takes that has no meaning here.
fn ignored_values(arg: &str) -> Option<usize> {
    match arg {
        "-v" | "-vv" | "-vvv" => Some(0),
        "-logfmt" => Some(1),
        "-trace" => Some(2),
        _ => None,
    }
}

/// The options of a mode, each with the values it was given.
struct Given(Vec<(&'static str, Vec<String>)>);

impl Given {
    fn of(mode: &ModeSpec, options: Vec<(&'static OptionSpec, String)>) -> Result<Self, Problem> {
        let mut given = Self(mode.options().map(|name| (name, Vec::new())).collect());
        for (option, value) in options {
            match given.0.iter_mut().find(|(name, _)| *name == option.name) {
                Some((_, values)) => values.push(value),
                None => {
                    return Err(Problem::UnknownOption {
                        option: option.name.to_owned(),
                        nearest: nearest(option.name, Some(mode)),
                    });
                },
            }
        }
        match mode
            .required
            .iter()
            .find(|name| given.values(name).is_empty())
        {
            Some(name) => Err(Problem::Required(name)),
            None => Ok(given),
        }
    }

    fn values(&self, option: &str) -> &[String] {
        self.0
            .iter()
            .find(|(name, _)| *name == option)
            .map_or(&[], |(_, values)| values)
    }

    fn text(&self, option: &'static str) -> Result<Option<&str>, Problem> {
        let values = self.values(option);
        let Some(first) = values.first() else {
            return Ok(None);
        };
        match values.iter().find(|value| *value != first) {
            None => Ok(Some(first)),
            Some(second) => Err(Problem::Contradiction {
                option,
                first: first.clone(),
                second: second.clone(),
            }),
        }
    }

    fn string(&self, option: &'static str) -> Result<Option<String>, Problem> {
        Ok(self.text(option)?.map(str::to_owned))
    }

    fn needed(&self, option: &'static str) -> Result<&str, Problem> {
        self.text(option)?.ok_or(Problem::Required(option))
    }

    fn labels(&self) -> Vec<String> {
        let mut labels = Vec::new();
        for label in self.values("-label") {
            if !labels.contains(label) {
                labels.push(label.clone());
            }
        }
        labels
    }

    fn switch(&self, option: &str) -> bool {
        !self.values(option).is_empty()
    }

    fn number<T>(&self, option: &'static str) -> Result<Option<T>, Problem>
    where
        T: FromStr<Err = ParseIntError>,
    {
        self.text(option)?
            .map(|value| {
                value.parse().map_err(|source| Problem::BadNumber {
                    option,
                    value: value.to_owned(),
                    source,
                })
            })
            .transpose()
    }

    fn run(&self) -> Result<i64, Problem> {
        self.number("-remote_id")?
            .ok_or(Problem::Required("-remote_id"))
    }

    fn limit(&self) -> Result<Option<NonZeroU32>, Problem> {
        Ok(self.number("-limit")?.and_then(NonZeroU32::new))
    }

    fn state<T: FromStr<Err = UnknownWord>>(
        &self,
        option: &'static str,
    ) -> Result<Option<T>, Problem> {
        self.text(option)?
            .map(|value| {
                value
                    .parse()
                    .map_err(|source| Problem::BadState { option, source })
            })
            .transpose()
    }

    fn time(&self, option: &'static str) -> Result<Option<Timestamp>, Problem> {
        self.text(option)?
            .map(|value| {
                read_time(value).ok_or_else(|| Problem::BadTime {
                    option,
                    value: value.to_owned(),
                })
            })
            .transpose()
    }

    fn job(&self) -> Result<Option<JobId>, Problem> {
        Ok(self.text("-job_id")?.map(JobId::from))
    }

    fn stage(&self) -> Result<Option<String>, Problem> {
        let name = self.text("-stage")?;
        Ok(name.map(|name| if name == "cam" { "camera" } else { name }.to_owned()))
    }

    fn listing(&self) -> Result<Listing, Problem> {
        Ok(Listing {
            limit: self.limit()?,
            simple: self.switch("-simple"),
        })
    }

    fn command(&self, kind: Kind) -> Result<Command, Problem> {
        Ok(Command {
            dbname: self.string("-dbname")?,
            mode: self.mode(kind)?,
        })
    }

    fn mode(&self, kind: Kind) -> Result<Mode, Problem> {
        Ok(match kind {
            Kind::DefineByQuery => Mode::DefineByQuery(Define {
                labels: self.labels(),
                stage: self.stage()?.ok_or(Problem::Required("-stage"))?,
                path_base: self.needed("-path_base")?.to_owned(),
                set_label: self.string("-set_label")?,
                limit: self.limit()?,
                pretend: self.switch("-pretend"),
                simple: self.switch("-simple"),
            }),
            Kind::ListRun => Mode::ListRun(
                RunFilter {
                    remote_id: self.number("-remote_id")?,
                    state: self.state("-state")?,
                    stage: self.stage()?,
                    labels: self.labels(),
                    job_id: self.job()?,
                    poll_begin: self.time("-poll_begin")?,
                    poll_end: self.time("-poll_end")?,
                    fault: self.number("-fault")?,
                },
                self.listing()?,
            ),
            Kind::ListComponent => Mode::ListComponent(
                ComponentFilter {
                    remote_id: self.number("-remote_id")?,
                    stage_id: self.number("-stage_id")?,
                    jobs: self.number("-jobs")?,
                    state: self.state("-state")?,
                    labels: self.labels(),
                },
                self.listing()?,
            ),
            Kind::DonePrep => Mode::DonePrep(
                DonePrepFilter {
                    remote_id: self.number("-remote_id")?,
                    job_id: self.job()?,
                    stage: self.stage()?,
                    state: self.state("-state")?,
                    labels: self.labels(),
                },
                self.listing()?,
            ),
            Kind::UpdateRun => Mode::UpdateRun {
                remote_id: self.run()?,
                change: RunChange {
                    label: self.string("-set_label")?,
                    state: self.state("-set_state")?,
                    job_id: self.job()?,
                    fault: self.number("-fault")?,
                },
            },
            Kind::UpdatePoll => Mode::UpdatePoll {
                remote_id: self.run()?,
            },
            Kind::UpdateComponent => Mode::UpdateComponent {
                remote_id: self.run()?,
                stage_id: self.number("-stage_id")?,
                state: self.state("-state")?,
                change: ComponentChange {
                    state: self.state("-set_state")?,
                    path_base: self.string("-set_path_base")?,
                    jobs: self.number("-set_jobs")?,
                },
            },
            Kind::RevertRun => Mode::RevertRun {
                remote_id: self.number("-remote_id")?,
                labels: self.labels(),
                fault: self.number("-fault")?,
            },
            Kind::RevertAuth => Mode::RevertAuth {
                remote_id: self.number("-remote_id")?,
                labels: self.labels(),
            },
            Kind::RevertComponent => Mode::RevertComponent {
                remote_id: self.number("-remote_id")?,
                stage_id: self.number("-stage_id")?,
            },
            Kind::DropComponent => Mode::DropComponent {
                remote_id: self.number("-remote_id")?,
                stage_id: self.number("-stage_id")?,
            },
        })
    }
}

/// A time as psLib reads it, in UTC: date and time with `-` or `/` in the date and `T`, `,`, `@`
/// or a blank between, or a date alone.
fn read_time(text: &str) -> Option<Timestamp> {
    let text = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    let iso = text.replace('/', "-").replace([',', '@'], "T");
    let local: civil::DateTime = iso.parse().ok()?;
    Some(local.to_zoned(TimeZone::UTC).ok()?.timestamp())
}
