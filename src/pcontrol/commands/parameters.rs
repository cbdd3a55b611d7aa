//! `parameters`: times and patience.

use std::time::Duration;

use super::CommandError;
use crate::pcontrol::Cluster;

const PARAMETERS: &str = "parameters [NAME [= VALUE]]: connect_time (s), wanthost_wait (s), \
                          unwanted_host_jobs, fence (s), keep (0 or 1), retry (s), losses";

pub(super) fn parameters(cluster: &mut Cluster, words: &[&str]) -> Result<String, CommandError> {
    const NAMES: [&str; 7] = [
        "connect_time",
        "wanthost_wait",
        "unwanted_host_jobs",
        "fence",
        "keep",
        "retry",
        "losses",
    ];
    let name = |word: &str| {
        let mut names = NAMES.iter().filter(|name| name.starts_with(word));
        match (names.next(), names.next()) {
            (Some(name), None) => Ok(*name),
            _ => Err(CommandError::Usage(PARAMETERS)),
        }
    };
    let shown = match words {
        [] => NAMES.to_vec(),
        [word] => vec![name(word)?],
        [word, "=", value] | [word, value] => {
            let name = name(word)?;
            set(cluster, name, value)?;
            return Ok(String::new());
        },
        _ => return Err(CommandError::Usage(PARAMETERS)),
    };
    let settings = &cluster.settings;
    let affinity = &cluster.pool.affinity;
    let lines = shown.into_iter().map(|name| {
        let seconds = |time: Duration| format!("{:.6}", time.as_secs_f64());
        let (title, value) = match name {
            "connect_time" => ("Max Connect Time", seconds(settings.connect_time)),
            "wanthost_wait" => ("Max WantHost Wait", seconds(affinity.wanthost_wait)),
            "unwanted_host_jobs" => (
                "Max Unwanted Host Jobs",
                affinity.unwanted_host_jobs.to_string(),
            ),
            "fence" => ("Fence", seconds(settings.fence)),
            "keep" => ("Keep Jobs", u8::from(settings.keep).to_string()),
            "retry" => ("First Retry", seconds(settings.retry)),
            _ => ("Max Losses", settings.losses.to_string()),
        };
        format!("{title} : {value}\n")
    });
    Ok(lines.collect())
}

fn set(cluster: &mut Cluster, name: &str, value: &str) -> Result<(), CommandError> {
    let wrong = || CommandError::Word(format!("{name} cannot be {value}"));
    let number: f64 = value.parse().map_err(|_| wrong())?;
    let time = Duration::try_from_secs_f64(number).map_err(|_| wrong())?;
    let whole: u32 = value.parse().unwrap_or(u32::MAX);
    let settings = &mut cluster.settings;
    match name {
        "connect_time" => settings.connect_time = time,
        "wanthost_wait" => cluster.pool.affinity.wanthost_wait = time,
        "unwanted_host_jobs" => {
            cluster.pool.affinity.unwanted_host_jobs = value.parse().map_err(|_| wrong())?;
        },
        "fence" if time >= SHORTEST_FENCE => settings.fence = time,
        "keep" if whole <= 1 => settings.keep = whole == 1,
        "retry" if !time.is_zero() => settings.retry = time,
        "losses" if (1..u32::MAX).contains(&whole) => settings.losses = whole,
        _ => return Err(wrong()),
    }
    Ok(())
}

/// A busy machine may be silent for some time.
const SHORTEST_FENCE: Duration = Duration::from_millis(200);
