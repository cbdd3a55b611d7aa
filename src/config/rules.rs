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

/// Collects violations in one document. A rule about a part that is already known to be wrong
/// stays silent.
pub(crate) struct Report<'a> {
    tree: &'a Tree,
    bad: &'a [KeyPath],
    problems: Vec<Problem>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(tree: &'a Tree, bad: &'a [KeyPath]) -> Self {
        Self {
            tree,
            bad,
            problems: Vec::new(),
        }
    }

    pub(crate) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// Whether nothing in the value at `path`, and nothing it is in, is known to be wrong (and
    /// there is room for another problem). A list with a wrong element counts as wrong whole: the
    /// others have moved up.
    fn sound(&self, path: &KeyPath) -> bool {
        self.problems.len() < MAX_PROBLEMS
            && !self.bad.iter().any(|bad| {
                let pairs = bad.segments().iter().zip(path.segments());
                let difference = pairs.into_iter().find(|(theirs, ours)| theirs != ours);
                match difference {
                    None | Some((Seg::Index(_), Seg::Index(_))) => true,
                    Some(_) => false,
                }
            })
    }

    /// Reports on the value at `path` unless the rule holds.
    fn require(&mut self, holds: bool, path: &KeyPath, message: impl Into<String>, help: &str) {
        if holds || !self.sound(path) {
            return;
        }
        let problem = self.tree.problem(path, None, message);
        self.add(problem, help);
    }

    /// Reports on the key at the end of `path` unless the rule holds.
    fn require_key(&mut self, holds: bool, path: &KeyPath, message: impl Into<String>, help: &str) {
        if holds || !self.sound(path) {
            return;
        }
        let span = self.tree.locate_key(path);
        let problem = self.tree.problem_at(span, message).about(path);
        self.add(problem, help);
    }

    fn add(&mut self, problem: Problem, help: &str) {
        self.problems.push(match help {
            "" => problem,
            help => problem.help(help),
        });
    }
}
