//! Components in, drafts out, in order, on several threads.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        mpsc::{self, Receiver, Sender},
    },
};

use super::{Renderer, component::Worker, draft::ComponentDraft, writer::RunWriter};
use crate::{
    prepare::PrepareError,
    state::{Store, component::Component, tries::Earlier},
};

/// Components that may be under way at once, for each thread.
const WINDOW: usize = 8;

type Task = (u64, Component, Earlier);

/// Renders the components of a run that are `new` and adds them to `writer` in their order.
pub(super) fn render(
    renderer: &Renderer<'_>,
    store: &Store,
    writer: &mut RunWriter,
    progress: &dyn Fn(u64),
) -> Result<(), PrepareError> {
    let request = renderer.request();
    let (tasks, queue) = mpsc::channel::<Task>();
    let queue = Mutex::new(queue);
    let (drafts, done) = mpsc::channel();
    let mut readers = Vec::with_capacity(renderer.threads);
    for _ in 0..renderer.threads {
        readers.push(renderer.rows.open(store, request.label)?);
    }
    std::thread::scope(|scope| {
        for rows in readers {
            let (queue, drafts) = (&queue, drafts.clone());
            let worker = Worker::new(&renderer.shared, rows);
            scope.spawn(move || work(worker, queue, &drafts));
        }
        drop(drafts);
        let mut merge = Merge {
            done,
            waiting: BTreeMap::new(),
            next: 0,
            writer,
            progress,
        };
        let mut sent = 0;
        let window = (renderer.threads * WINDOW) as u64;
        store.each_unwritten(request.run_id, |component| {
            let earlier = store.earlier(&component, request.site.tries())?;
            while sent >= merge.next + window {
                merge.one()?;
            }
            // A failed send means that all workers are gone, which `one` reports.
            drop(tasks.send((sent, component, earlier)));
            sent += 1;
            Ok::<_, PrepareError>(())
        })?;
        drop(tasks);
        while merge.next < sent {
            merge.one()?;
        }
        Ok(())
    })
}

fn work(
    mut worker: Worker<'_>,
    queue: &Mutex<Receiver<Task>>,
    drafts: &Sender<(u64, ComponentDraft)>,
) {
    loop {
        let task = match queue.lock() {
            Ok(queue) => queue.recv(),
            Err(_) => return,
        };
        let Ok((number, component, earlier)) = task else {
            return;
        };
        let draft = worker.component(&component, &earlier);
        if drafts.send((number, draft)).is_err() {
            return;
        }
    }
}

/// Brings drafts back into order.
struct Merge<'a> {
    done: Receiver<(u64, ComponentDraft)>,
    waiting: BTreeMap<u64, ComponentDraft>,
    next: u64,
    writer: &'a mut RunWriter,
    progress: &'a dyn Fn(u64),
}

impl Merge<'_> {
    /// Waits for one draft and writes those whose turn it is.
    fn one(&mut self) -> Result<(), PrepareError> {
        let (number, draft) = self.done.recv().map_err(|_| PrepareError::Io {
            path: "prepare".into(),
            error: std::io::Error::other("its threads ended too early"),
        })?;
        self.waiting.insert(number, draft);
        while let Some(draft) = self.waiting.remove(&self.next) {
            self.writer.add(draft)?;
            self.next += 1;
            (self.progress)(self.next);
        }
        Ok(())
    }
}
