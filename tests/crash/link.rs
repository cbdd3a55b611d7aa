//! Lives beyond a link that is cut: at each step, and at random times; it comes back each time.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    life::{Life, ended_within, finished},
    linked::{Linked, whenever_it_is_cut},
    matrix::{deaths, each, lives},
    place::Here,
    sshd::Sshd,
    until::until,
};

/// Most of such a life is waiting: a driver asks a far site once a second at most.
const AT_ONCE: usize = 40;

/// A life at a site behind a master of its own.
struct Beyond {
    life: Life,
    sshd: Sshd,
    cutter: PathBuf,
}

impl Beyond {
    fn new() -> Self {
        let sshd = Sshd::ordinary();
        sshd.open_master();
        let connection = format!(
            "connection: {{host: site, socket: {}, config_file: {}}}",
            sshd.socket().display(),
            sshd.path().join("ssh_config").display(),
        );
        Self {
            life: Life::at(&connection),
            cutter: sshd.cutter(),
            sshd,
        }
    }
}

impl Linked for Beyond {
    type Place = Here;

    fn life(&self) -> &Life {
        &self.life
    }

    fn cutter(&self) -> &Path {
        &self.cutter
    }

    fn reopen(&self) {
        until("the old master goes", || !self.sshd.socket().exists());
        self.sshd.open_master();
    }
}

#[test]
fn whenever_the_link_is_cut_the_life_goes_on_and_nothing_is_run_twice() {
    let model = Beyond::new();
    model.drive(None);
    let deaths = deaths(&model.life.steps(), 1);
    assert!(deaths.len() > 20, "{deaths:#?}");
    let cuts = whenever_it_is_cut(&deaths, AT_ONCE, Beyond::new, &model);
    // After the last steps no link is needed any more.
    assert!(cuts > 20, "{cuts} of {}", deaths.len());
    eprintln!("{cuts} cuts");
}

#[test]
fn a_link_that_is_cut_at_random_times_takes_nothing_with_it() {
    let model = Beyond::new();
    model.drive(None);
    let (end, way) = (model.life.end(), model.life.way());
    each(&lives(1), AT_ONCE, |random| {
        let (which, mut chance) = (&random.which, random.chance());
        let beyond = Beyond::new();
        let life = &beyond.life;
        let mut driver = life.driver(None);
        let mut cuts = 0;
        loop {
            let moment = Duration::from_millis(chance.u64(10..1500));
            match ended_within(&mut driver, moment) {
                Some(status) if finished(status) => break,
                Some(status) => {
                    assert_eq!(status.code(), Some(3), "{which}: {}", life.said());
                    beyond.reopen();
                    driver = life.driver(None);
                },
                None if cuts < 6 => {
                    cuts += 1;
                    beyond.sshd.drop_connections();
                },
                None => {},
            }
        }
        life.is_sound(which);
        assert_eq!(life.end(), end, "{which}: {}", life.said());
        assert_eq!(life.way(), way, "{which}: {}", life.said());
    });
}
