//! Lives beyond a link that is cut at a step, and that is opened again when a driver asks for it.

use std::{
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use crate::{
    life::{Life, finished},
    matrix::each,
    place::Place,
};

/// One of them.
pub(crate) trait Linked {
    type Place: Place;

    fn life(&self) -> &Life<Self::Place>;

    /// A program that cuts the link, and ends when its master has.
    fn cutter(&self) -> &Path;

    fn reopen(&self);

    /// Drives to the end; tells how often the link was opened again.
    fn drive(&self, death: Option<&str>) -> usize {
        let life = self.life();
        for reopened in 0..4 {
            let mut driver = life.to_drive(death);
            let status = driver.env("OUTRIGGER_CRASH_BY", self.cutter()).status();
            let status = status.unwrap();
            if finished(status) {
                return reopened;
            }
            assert_eq!(status.code(), Some(3), "{death:?}: {}", life.said());
            self.reopen();
        }
        panic!("{death:?}: {}", life.said());
    }
}

/// Lets a life take place with a cut at each of `deaths`: all go the way of `model`, which was not cut, to
/// its end. Tells how many needed the link again.
pub(crate) fn whenever_it_is_cut<L: Linked>(
    deaths: &[String],
    at_once: usize,
    beyond: impl Fn() -> L + Sync,
    model: &L,
) -> usize {
    let (end, way) = (model.life().end(), model.life().way());
    let cuts = AtomicUsize::new(0);
    each(deaths, at_once, |death| {
        let beyond = beyond();
        if beyond.drive(Some(death)) > 0 {
            cuts.fetch_add(1, Ordering::SeqCst);
        }
        let life = beyond.life();
        life.is_sound(death);
        assert_eq!(life.end(), end, "{death}: {}", life.said());
        assert_eq!(life.way(), way, "{death}: {}", life.said());
    });
    cuts.into_inner()
}
