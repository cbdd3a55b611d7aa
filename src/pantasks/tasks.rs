//! All tasks, in the order of their definition.

use indexmap::IndexMap;
use thiserror::Error;

use super::{
    jobs::Jobs,
    task::{Periods, Task, TaskId},
};

/// A task that cannot be defined or found.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TaskError {
    /// The definition ends without anything to run.
    #[error(
        "task {0}: task command not defined; add `command …` to the task or to its task.exec macro"
    )]
    NoCommand(String),
    /// There is no task of that name.
    #[error("task {0} not found; `status` lists the tasks")]
    Unknown(String),
}

/// What became of a deleted task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone.
    Gone,
    /// It makes no more jobs and goes with its last one.
    Draining,
}

/// All tasks. `B` is the language's form of a macro body.
#[derive(Debug, Clone)]
pub struct Tasks<B> {
    tasks: IndexMap<TaskId, Task<B>>,
    next: u32,
    /// The periods of tasks defined from now on (`periods` outside a task).
    pub default_periods: Periods,
}

impl<B> Default for Tasks<B> {
    fn default() -> Self {
        Self {
            tasks: IndexMap::new(),
            next: 0,
            default_periods: Periods::default(),
        }
    }
}

impl<B: Clone> Tasks<B> {
    /// A copy of the task `name` to edit, or a new one with the defaults; [`Self::put`] makes
    /// the edit count.
    pub fn edit(&mut self, name: &str) -> Task<B> {
        if let Some(task) = self.find(name) {
            return task.clone();
        }
        let id = TaskId(self.next);
        self.next += 1;
        Task::new(id, name, self.default_periods)
    }
}

impl<B> Tasks<B> {
    /// Defines `task`, or replaces it: it moves to the end of the order (spec/pantasks.md §3.1).
    ///
    /// # Errors
    /// [`TaskError::NoCommand`], and all tasks stay as they were.
    pub fn put(&mut self, task: Task<B>) -> Result<TaskId, TaskError> {
        if !task.has_command() {
            return Err(TaskError::NoCommand(task.name().to_owned()));
        }
        let id = task.id;
        self.tasks.shift_remove(&id);
        self.tasks.insert(id, task);
        Ok(id)
    }

    /// The task of that name that is not being deleted.
    pub fn find(&self, name: &str) -> Option<&Task<B>> {
        self.iter()
            .find(|task| !task.draining && task.name() == name)
    }

    /// The task of that number, also while it is being deleted.
    pub fn get(&self, id: TaskId) -> Option<&Task<B>> {
        self.tasks.get(&id)
    }

    /// As [`Self::get`], to change it.
    pub fn get_mut(&mut self, id: TaskId) -> Option<&mut Task<B>> {
        self.tasks.get_mut(&id)
    }

    /// All tasks in the order of their definition.
    pub fn iter(&self) -> impl Iterator<Item = &Task<B>> {
        self.tasks.values()
    }

    /// As [`Self::iter`], to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Task<B>> {
        self.tasks.values_mut()
    }

    /// Deletes the task `name`: at once without jobs, else with the end of its last job. Until
    /// then its exit macros still run, and its name is free for another task.
    ///
    /// # Errors
    /// [`TaskError::Unknown`].
    pub fn delete(&mut self, name: &str, jobs: &Jobs) -> Result<Deleted, TaskError> {
        let found = self.find(name).map(|task| task.id);
        let id = found.ok_or_else(|| TaskError::Unknown(name.to_owned()))?;
        if let Some(task) = self.tasks.get_mut(&id) {
            task.draining = true;
        }
        self.sweep(jobs);
        Ok(if self.tasks.contains_key(&id) {
            Deleted::Draining
        } else {
            Deleted::Gone
        })
    }

    /// Lets go of the deleted tasks that have no more jobs; call it when a job ended.
    pub fn sweep(&mut self, jobs: &Jobs) {
        self.tasks
            .retain(|id, task| !task.draining || jobs.outstanding(Some(*id)) > 0);
    }
}
