//! Options of a command, which may stand anywhere among its words.

use super::super::words::Args;

/// The words of a command, its options being taken out one by one.
#[derive(Debug)]
pub(super) struct Options<'a> {
    words: Vec<&'a str>,
}

impl<'a> Options<'a> {
    pub(super) fn of(args: &'a Args) -> Self {
        Self {
            words: args.rest().collect(),
        }
    }

    /// Whether `name` stands there; it is taken out.
    pub(super) fn flag(&mut self, name: &str) -> bool {
        match self.words.iter().position(|word| *word == name) {
            Some(at) => {
                self.words.remove(at);
                true
            },
            None => false,
        }
    }

    /// The word behind `name`; both are taken out.
    pub(super) fn value(&mut self, name: &str) -> Option<&'a str> {
        let at = self.words.iter().position(|word| *word == name)?;
        if at + 1 >= self.words.len() {
            return None;
        }
        self.words.remove(at);
        Some(self.words.remove(at))
    }

    /// The two words behind `name`; all three are taken out.
    pub(super) fn pair(&mut self, name: &str) -> Option<(&'a str, &'a str)> {
        let at = self.words.iter().position(|word| *word == name)?;
        if at + 2 >= self.words.len() {
            return None;
        }
        self.words.remove(at);
        let first = self.words.remove(at);
        Some((first, self.words.remove(at)))
    }

    /// What is left.
    pub(super) fn words(&self) -> &[&'a str] {
        &self.words
    }
}
