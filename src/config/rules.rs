//! What types cannot say: rules on a document that has the right shape, each violation located.

mod names;
mod recipe;
mod site;
mod stages;

pub(crate) use recipe::recipe;
pub(crate) use site::config;
pub(crate) use stages::stages;

use super::{
    document::{KeyPath, Seg, Tree},
    problem::{MAX_PROBLEMS, Problem},
};

/// The parts of a document that are known to be wrong.
#[derive(Debug, Clone)]
pub(crate) struct Unsound {
    /// What was left out of the value.
    left_out: Vec<KeyPath>,
    /// What is in the value, and breaks a rule.
    broken: Vec<KeyPath>,
}

impl Unsound {
    pub(crate) fn new(left_out: Vec<KeyPath>) -> Self {
        Self {
            left_out,
            broken: Vec::new(),
        }
    }

    /// Whether something in the value at `path`, or something it is in, is known to be wrong.
    pub(crate) fn covers(&self, path: &KeyPath) -> bool {
        let broken = |bad: &KeyPath| bad.is_within(path) || path.is_within(bad);
        self.left_out(path) || self.broken.iter().any(broken)
    }

    /// Whether something in the value at `path`, or something it is in, was left out. A list
    /// without one of its elements counts as wrong whole: the others have moved up.
    fn left_out(&self, path: &KeyPath) -> bool {
        self.left_out.iter().any(|bad| {
            let pairs = bad.segments().iter().zip(path.segments());
            let difference = pairs.into_iter().find(|(theirs, ours)| theirs != ours);
            match difference {
                None | Some((Seg::Index(_), Seg::Index(_))) => true,
                Some(_) => false,
            }
        })
    }
}

/// Collects violations in one document. A rule about a part that was left out stays silent.
pub(crate) struct Report<'a> {
    tree: &'a Tree,
    unsound: Unsound,
    problems: Vec<Problem>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(tree: &'a Tree, unsound: Unsound) -> Self {
        Self {
            tree,
            unsound,
            problems: Vec::new(),
        }
    }

    pub(crate) fn finish(self) -> (Vec<Problem>, Unsound) {
        (self.problems, self.unsound)
    }

    /// Whether a rule about the value at `path` may speak: nothing of it was left out, and there
    /// is room for another problem.
    fn sound(&self, path: &KeyPath) -> bool {
        self.problems.len() < MAX_PROBLEMS && !self.unsound.left_out(path)
    }

    /// Reports on the value at `path` unless the rule holds.
    fn require(&mut self, holds: bool, path: &KeyPath, message: impl Into<String>, help: &str) {
        if holds || !self.sound(path) {
            return;
        }
        let problem = self.tree.problem(path, None, message);
        self.add(path, problem, help);
    }

    /// Reports on the key at the end of `path` unless the rule holds.
    fn require_key(&mut self, holds: bool, path: &KeyPath, message: impl Into<String>, help: &str) {
        if holds || !self.sound(path) {
            return;
        }
        let span = self.tree.locate_key(path);
        let problem = self.tree.problem_at(span, message).about(path);
        self.add(path, problem, help);
    }

    fn add(&mut self, path: &KeyPath, problem: Problem, help: &str) {
        self.unsound.broken.push(path.clone());
        self.problems.push(match help {
            "" => problem,
            help => problem.help(help),
        });
    }
}
