//! The life of a link: its age, its known end, and what a human must be told of it.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::{Record, Sockets, record};
use crate::{
    config::site::{Connection, Site, SshConnection},
    state::link::LinkTold as Told,
};

/// What is known of a link without asking the site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Link {
    /// When its masters were opened; the socket's own time where they were opened by hand.
    pub opened_at: Option<Timestamp>,
    /// When the site will cut it, where its `lifetime` is configured.
    pub ends_at: Option<Timestamp>,
    /// Who opened it; `None` if that was done by hand.
    pub opened_by: Option<String>,
    /// The host on which its masters live; `None` if they were opened by hand.
    pub on_host: Option<String>,
    /// The remote account, if one is configured.
    pub account: Option<String>,
}

/// How a link is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The site answers.
    Up(Link),
    /// It does not, and why.
    Down(String),
}

/// What a human must be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The link ends soon.
    Ending {
        /// When.
        at: Timestamp,
    },
    /// The link is down.
    Down {
        /// Why.
        why: String,
    },
    /// The link is up again.
    Back,
}

impl Link {
    /// The link to a site; `None` for this host.
    pub fn of(name: &str, site: &Site) -> Option<Self> {
        let Connection::Ssh(ssh) = &site.connection else {
            return None;
        };
        Some(Self::look(ssh, &Sockets::here(name, ssh).ok()?))
    }

    /// What the record and the sockets of a site tell.
    pub fn look(ssh: &SshConnection, sockets: &Sockets) -> Self {
        if let Some(record) = Record::read(&sockets.record()) {
            return Self {
                opened_at: Some(record.opened_at),
                ends_at: record.ends_at(),
                opened_by: Some(record.opened_by),
                on_host: Some(record.on_host),
                account: record.account,
            };
        }
        let socket = std::fs::metadata(sockets.line(0));
        let made = socket.and_then(|socket| socket.modified()).ok();
        let opened_at = made.and_then(|time| Timestamp::try_from(time).ok());
        let lifetime = ssh.lifetime.map(|time| time.0);
        Self {
            opened_at,
            ends_at: opened_at.and_then(|from| record::end(from, lifetime)),
            opened_by: None,
            on_host: None,
            account: ssh.user.clone(),
        }
    }

    /// How long it still lives; zero once its time is over, `None` where that is not known.
    pub fn left(&self, now: Timestamp) -> Option<Duration> {
        let left = now.until(self.ends_at?).ok()?;
        let seconds = left.total(jiff::Unit::Second).ok()?;
        Some(Duration::try_from_secs_f64(seconds).unwrap_or_default())
    }
}

/// What is to be told now, each thing once a link, and what has then been told. A link that never
/// was up is only missed if it is `needed`. `before`: how long before its end a human is told.
pub fn notices(
    told: Told,
    standing: &Standing,
    needed: bool,
    before: Duration,
    now: Timestamp,
) -> (Told, Vec<Notice>) {
    let mut notices = Vec::new();
    match standing {
        Standing::Down(why) => {
            if told.down || (told.link == 0 && !needed) {
                return (told, notices);
            }
            notices.push(Notice::Down { why: why.clone() });
            (Told { down: true, ..told }, notices)
        },
        Standing::Up(link) => {
            // A link of unknown age is still a link.
            let id = link.opened_at.map_or(1, Timestamp::as_millisecond).max(1);
            let same = id == told.link;
            if told.down {
                notices.push(Notice::Back);
            }
            let mut ending = same && told.ending;
            if let (Some(left), Some(at), false) = (link.left(now), link.ends_at, ending)
                && left <= before
            {
                notices.push(Notice::Ending { at });
                ending = true;
            }
            let told = Told {
                link: id,
                ending,
                down: false,
            };
            (told, notices)
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BEFORE: Duration = Duration::from_mins(30);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn opened(seconds: i64) -> Standing {
        Standing::Up(Link {
            opened_at: Some(at(seconds)),
            ends_at: Some(at(seconds + 12 * 3600)),
            opened_by: None,
            on_host: None,
            account: None,
        })
    }

    fn down() -> Standing {
        Standing::Down("gone".into())
    }

    /// What is told over a night of looks at the link.
    fn told(looks: &[(i64, Standing)]) -> Vec<(i64, Notice)> {
        let mut known = Told::default();
        let mut all = Vec::new();
        for (seconds, standing) in looks {
            let (next, notices) = notices(known, standing, false, BEFORE, at(*seconds));
            known = next;
            all.extend(notices.into_iter().map(|notice| (*seconds, notice)));
        }
        all
    }

    #[test]
    fn end_loss_and_return_are_told_once_each() {
        let end = 12 * 3600;
        let looks = [
            (0, opened(0)),
            (60, opened(0)),
            (end - 1801, opened(0)),
            (end - 1800, opened(0)),
            (end - 1000, opened(0)),
            (end, down()),
            (end + 60, down()),
            (end + 100, opened(end + 90)),
            (end + 200, opened(end + 90)),
        ];
        let all = told(&looks);
        let words: Vec<_> = all
            .iter()
            .map(|(seconds, notice)| match notice {
                Notice::Ending { at: when } => format!("{seconds} ending {}", *when == at(end)),
                Notice::Down { .. } => format!("{seconds} down"),
                Notice::Back => format!("{seconds} back"),
            })
            .collect();
        assert_eq!(words, ["41400 ending true", "43200 down", "43300 back"]);
    }

    #[test]
    fn a_refresh_in_time_tells_nothing_more_and_its_own_end_is_told_anew() {
        let looks = [
            (0, opened(0)),
            (42_000, opened(0)),
            (42_100, opened(42_090)),
            (85_000, opened(42_090)),
        ];
        let all = told(&looks);
        let times: Vec<i64> = all.iter().map(|(seconds, _)| *seconds).collect();
        assert_eq!(times, [42_000, 85_000]);
    }

    #[test]
    fn a_link_that_never_was_up_is_missed_only_by_work_that_needs_it() {
        let (told, none) = notices(Told::default(), &down(), false, BEFORE, at(0));
        assert_eq!((told, none.len()), (Told::default(), 0));
        let (_, one) = notices(Told::default(), &down(), true, BEFORE, at(0));
        assert_eq!(one.len(), 1);
    }

    proptest! {
        #[test]
        fn down_and_back_alternate_and_no_link_is_said_to_end_twice(
            looks in prop::collection::vec((0u8..3, 0i64..4, any::<bool>()), 0..60),
        ) {
            let mut known = Told::default();
            let mut was_down = false;
            let mut ended = std::collections::HashSet::new();
            let mut last = 0;
            for (step, (kind, link, needed)) in looks.into_iter().enumerate() {
                let now = i64::try_from(step).unwrap() * 3600;
                last = last.max(link * 30_000);
                let standing = if kind == 0 { down() } else { opened(last) };
                let (next, all) = notices(known, &standing, needed, BEFORE, at(now));
                known = next;
                for notice in all {
                    match notice {
                        Notice::Down { .. } => { prop_assert!(!was_down); was_down = true; },
                        Notice::Back => { prop_assert!(was_down); was_down = false; },
                        Notice::Ending { at } => prop_assert!(ended.insert(at)),
                    }
                }
            }
        }
    }
}
