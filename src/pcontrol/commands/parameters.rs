//! `parameters`: times and patience.

use std::time::Duration;

use super::CommandError;
use crate::pcontrol::{
    Cluster,
    limits::{MOST, seconds, whole},
};

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
    let time = |least| seconds(name, value, least);
    let count = |least| whole(name, value, least, MOST.unsigned_abs());
    let settings = &mut cluster.settings;
    match name {
        "connect_time" => settings.connect_time = time(Duration::ZERO)?,
        "wanthost_wait" => cluster.pool.affinity.wanthost_wait = time(Duration::ZERO)?,
        "unwanted_host_jobs" => {
            let count = usize::try_from(count(0)?).unwrap_or(usize::MAX);
            cluster.pool.affinity.unwanted_host_jobs = count;
        },
        "fence" => settings.fence = time(SHORTEST_FENCE)?,
        "keep" => settings.keep = whole(name, value, 0_u8, 1)? == 1,
        "retry" => settings.retry = time(SHORTEST_RETRY)?,
        // `name` is one of those that `parameters` knows.
        _ => settings.losses = count(1)?,
    }
    Ok(())
}

/// A busy machine may be silent for some time.
pub(in crate::pcontrol) const SHORTEST_FENCE: Duration = Duration::from_millis(200);

/// Without a pause a host that refuses would be asked without end.
const SHORTEST_RETRY: Duration = Duration::from_millis(1);
