//! Which stream takes the next job.

/// What each stream has to do.
#[derive(Debug)]
pub(super) struct Streams {
    jobs: Vec<Load>,
    ahead: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Load {
    jobs: usize,
    /// Whether its one job bears no other beside it.
    alone: bool,
}

impl Streams {
    /// `streams` streams, at least one, each of which may have `ahead` jobs at once.
    pub(super) fn new(streams: usize, ahead: usize) -> Self {
        Self {
            jobs: vec![Load::default(); streams.max(1)],
            ahead: ahead.max(1),
        }
    }

    /// The stream with least to do, if any may have one more job; a job that must be `alone` goes to
    /// one that has nothing to do.
    pub(super) fn take(&mut self, alone: bool) -> Option<usize> {
        let most = if alone { 1 } else { self.ahead };
        let may = |load: &Load| load.jobs < most && !load.alone;
        let streams = self.jobs.iter_mut().enumerate();
        let (stream, load) = streams
            .filter(|(_, load)| may(load))
            .min_by_key(|(_, load)| load.jobs)?;
        load.jobs += 1;
        load.alone = alone;
        Some(stream)
    }

    /// One of the stream's jobs is done.
    pub(super) fn give_back(&mut self, stream: usize) {
        if let Some(load) = self.jobs.get_mut(stream) {
            load.jobs = load.jobs.saturating_sub(1);
            load.alone = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stream_has_a_first_job_before_any_has_a_second() {
        let mut streams = Streams::new(2, 2);
        let taken: Vec<_> = (0..5).map(|_| streams.take(false)).collect();
        assert_eq!(taken, [Some(0), Some(1), Some(0), Some(1), None]);
        streams.give_back(1);
        assert_eq!(streams.take(false), Some(1));
    }

    #[test]
    fn a_job_that_must_be_alone_waits_for_an_idle_stream_and_bears_no_other() {
        let mut streams = Streams::new(1, 2);
        assert_eq!(streams.take(false), Some(0));
        assert_eq!(streams.take(true), None);
        streams.give_back(0);
        assert_eq!(streams.take(true), Some(0));
        assert_eq!(streams.take(false), None);
        streams.give_back(0);
        assert_eq!(streams.take(false), Some(0));
    }
}
