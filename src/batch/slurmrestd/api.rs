//! Which version of the API is spoken, and how its versions differ.

use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;

use super::RestError;

/// The versions that are spoken: 38 came with Slurm 22.05.
const SPOKEN: std::ops::RangeInclusive<u32> = 38..=45;

/// How a job is described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wording {
    /// As options of sbatch: up to v0.0.38.
    Options,
    /// By typed fields, numbers as objects: from v0.0.39 on.
    Fields,
}

/// The version that is spoken with a daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Api {
    version: String,
    wording: Wording,
}

/// What is read of the daemon's own description.
#[derive(Debug, Deserialize)]
#[expect(
    clippy::zero_sized_map_values,
    reason = "what is below a path is skipped as it is read"
)]
pub(super) struct OpenApi {
    paths: BTreeMap<String, IgnoredAny>,
}

impl Api {
    /// The newest version that both sides speak, or the one that is `wanted`.
    ///
    /// # Errors
    /// [`RestError::Api`] if there is none.
    pub(super) fn choose(offer: &OpenApi, wanted: Option<&str>) -> Result<Self, RestError> {
        let offered: std::collections::BTreeSet<u32> =
            offer.paths.keys().filter_map(|path| number(path)).collect();
        let spoken = |number: &&u32| SPOKEN.contains(*number);
        let chosen = match wanted {
            None => offered.iter().rev().find(spoken),
            Some(word) => offered.iter().find(|number| word == text(**number)),
        };
        let Some(number) = chosen else {
            let all: Vec<String> = offered.iter().map(|number| text(*number)).collect();
            return Err(RestError::Api {
                offered: if all.is_empty() {
                    "of no version".to_owned()
                } else {
                    all.join(", ")
                },
                wanted: wanted.map_or_else(
                    || format!("{} to {}", text(*SPOKEN.start()), text(*SPOKEN.end())),
                    str::to_owned,
                ),
            });
        };
        Ok(Self {
            version: text(*number),
            wording: if *number <= 38 {
                Wording::Options
            } else {
                Wording::Fields
            },
        })
    }

    /// As it stands in paths: `v0.0.38`.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    pub(super) fn wording(&self) -> Wording {
        self.wording
    }
}

fn text(number: u32) -> String {
    format!("v0.0.{number}")
}

/// The version's number in `/slurm/v0.0.NN/…`.
fn number(path: &str) -> Option<u32> {
    let rest = path.strip_prefix("/slurm/v0.0.")?;
    rest.split('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn offer(versions: &[&str]) -> OpenApi {
        let paths = versions
            .iter()
            .map(|version| (format!("/slurm/{version}/jobs"), IgnoredAny))
            .chain([("/openapi".to_owned(), IgnoredAny)]);
        OpenApi {
            paths: paths.collect(),
        }
    }

    #[rstest]
    #[case(&["v0.0.36", "v0.0.38", "v0.0.37"], "v0.0.38", Wording::Options)]
    #[case(&["v0.0.38", "v0.0.39"], "v0.0.39", Wording::Fields)]
    #[case(&["v0.0.44", "v0.0.46", "v0.0.47"], "v0.0.44", Wording::Fields)]
    fn the_newest_version_that_both_sides_speak_is_chosen(
        #[case] offered: &[&str],
        #[case] version: &str,
        #[case] wording: Wording,
    ) {
        let api = Api::choose(&offer(offered), None).unwrap();
        assert_eq!((api.version(), api.wording()), (version, wording));
    }

    #[test]
    fn a_version_that_is_wanted_is_taken_if_it_is_offered() {
        let offered = offer(&["v0.0.38", "v0.0.40"]);
        let api = Api::choose(&offered, Some("v0.0.38")).unwrap();
        assert_eq!(api.version(), "v0.0.38");
        insta::assert_snapshot!(
            Api::choose(&offered, Some("v0.0.41")).unwrap_err(),
            @"slurmrestd offers API v0.0.38, v0.0.40, and v0.0.41 is spoken here; see `rest.version`"
        );
    }

    #[test]
    fn a_daemon_that_is_too_old_or_too_new_is_told_apart_from_one_that_is_down() {
        insta::assert_snapshot!(
            Api::choose(&offer(&["v0.0.36", "v0.0.52"]), None).unwrap_err(),
            @"slurmrestd offers API v0.0.36, v0.0.52, and v0.0.38 to v0.0.45 is spoken here; see `rest.version`"
        );
    }
}
