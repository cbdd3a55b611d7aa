//! Books: named, ordered pages of words with values (spec/pantasks.md §6).
//!
//! A book may have very many pages, all with the same few words. So the names of words are kept
//! once for a book, the values of a page in one text, and pages are found by the value of a word
//! without a walk through all of them.

mod index;
mod page;

use indexmap::{IndexMap, IndexSet};

use self::{index::Index, page::Words};
pub use page::Page;

/// All books by name, in the order they were made.
#[derive(Debug, Clone, Default)]
pub struct Books(IndexMap<Box<str>, Book>);

/// The pages of a book, in order.
#[derive(Debug, Clone, Default)]
pub struct Book {
    pages: IndexMap<Box<str>, Sheet>,
    /// The names of the words of all pages.
    names: IndexSet<Box<str>>,
    indexes: Vec<Index>,
    next_place: u64,
}

/// A page where it is in its book: places rise in the order of the pages.
#[derive(Debug, Clone)]
struct Sheet {
    place: u64,
    words: Words,
}

/// Fewer pages than this are walked through.
const INDEXED_FROM: usize = 32;

/// Most words of a book that pages are found by without a walk.
const INDEXES: usize = 8;

/// What a missing word counts as.
const MISSING: &str = "NULL";

impl Books {
    /// The book `name`.
    pub fn get(&self, name: &str) -> Option<&Book> {
        self.0.get(name)
    }

    /// The book `name`, to change.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Book> {
        self.0.get_mut(name)
    }

    /// The book `name`, made if need be.
    pub fn create(&mut self, name: &str) -> &mut Book {
        self.0.entry(name.into()).or_default()
    }

    /// Takes book `name` away; false where there is none.
    pub fn delete(&mut self, name: &str) -> bool {
        self.0.shift_remove(name).is_some()
    }

    /// How many books there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no books.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The books with their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Book)> {
        self.0.iter().map(|(name, book)| (&**name, book))
    }
}

impl Book {
    /// How many pages there are.
    pub fn len(&self) -> usize {
        self.pages.len()
    }

    /// Whether there are no pages.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// Takes all pages away.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Page `name`.
    pub fn page(&self, name: &str) -> Option<Page<'_>> {
        let sheet = self.pages.get(name)?;
        Some(Page::new(&self.names, &sheet.words))
    }

    /// Page number `index`, from 0, with its name.
    pub fn nth(&self, index: usize) -> Option<(&str, Page<'_>)> {
        let (name, sheet) = self.pages.get_index(index)?;
        Some((name, Page::new(&self.names, &sheet.words)))
    }

    /// The pages with their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Page<'_>)> {
        let pages = self.pages.iter();
        pages.map(|(name, sheet)| (&**name, Page::new(&self.names, &sheet.words)))
    }

    /// Makes page `name`, unless it is there.
    pub fn create(&mut self, name: &str) {
        if self.pages.contains_key(name) {
            return;
        }
        let place = self.next_place;
        self.next_place += 1;
        for index in &mut self.indexes {
            index.add(MISSING, place);
        }
        let words = Words::default();
        self.pages.insert(name.into(), Sheet { place, words });
    }

    /// Sets a word of page `name`; false where there is no such page, or no more room on it.
    pub fn set_word(&mut self, name: &str, word: &str, value: &str) -> bool {
        let Some(sheet) = self.pages.get_mut(name) else {
            return false;
        };
        let id = match self.names.get_index_of(word) {
            Some(id) => id,
            None => self.names.insert_full(word.into()).0,
        };
        let Ok(id) = u32::try_from(id) else {
            return false;
        };
        let Some(index) = self.indexes.iter_mut().find(|index| index.key() == id) else {
            return sheet.words.set(id, value);
        };
        let old = sheet.words.get(id).unwrap_or(MISSING).to_owned();
        let done = sheet.words.set(id, value);
        if done && old != value {
            index.remove(&old, sheet.place);
            index.add(value, sheet.place);
        }
        done
    }

    /// How many pages have `value` for the word `key`. `NULL` stands for a missing word too.
    pub fn count_matching(&mut self, key: &str, value: &str) -> usize {
        match self.index(key) {
            Some(index) => index.places(value).len(),
            None => self.matching(key, value).count(),
        }
    }

    /// The name of the page number `nth` among those with `value` for the word `key`. `NULL` stands
    /// for a missing word too.
    pub fn nth_matching(&mut self, key: &str, value: &str, nth: usize) -> Option<&str> {
        let place = match self.index(key) {
            Some(index) => Some(*index.places(value).get(nth)?),
            None => None,
        };
        match place {
            Some(place) => {
                let at = self
                    .pages
                    .binary_search_by_key(&place, |_, sheet| sheet.place);
                self.nth(at.ok()?).map(|(name, _)| name)
            },
            None => self.matching(key, value).nth(nth),
        }
    }

    fn matching(&self, key: &str, value: &str) -> impl Iterator<Item = &str> {
        let is = move |page: Page<'_>| page.get(key).unwrap_or(MISSING) == value;
        let pages = self.iter().filter(move |(_, page)| is(*page));
        pages.map(|(name, _)| name)
    }

    /// The index by word `key`, made if the book is worth one.
    fn index(&mut self, key: &str) -> Option<&Index> {
        let id = u32::try_from(self.names.get_index_of(key)?).ok()?;
        let known = self.indexes.iter().position(|index| index.key() == id);
        if known.is_none() {
            if self.pages.len() < INDEXED_FROM || self.indexes.len() >= INDEXES {
                return None;
            }
            let mut index = Index::new(id);
            for sheet in self.pages.values() {
                index.add(sheet.words.get(id).unwrap_or(MISSING), sheet.place);
            }
            self.indexes.push(index);
        }
        match known {
            Some(at) => self.indexes.get(at),
            None => self.indexes.last(),
        }
    }

    /// Takes page `name` away; false where there is none.
    pub fn remove(&mut self, name: &str) -> bool {
        let Some(sheet) = self.pages.shift_remove(name) else {
            return false;
        };
        for index in &mut self.indexes {
            let value = sheet.words.get(index.key()).unwrap_or(MISSING);
            index.remove(value, sheet.place);
        }
        true
    }

    /// Takes all pages away whose word `key` is `value`. Here a missing word is not `NULL`.
    pub fn remove_matching(&mut self, key: &str, value: &str) {
        if self.count_matching(key, value) == 0 {
            return;
        }
        let Some(id) = self.names.get_index_of(key) else {
            return;
        };
        let Ok(id) = u32::try_from(id) else {
            return;
        };
        self.indexes.clear();
        self.pages
            .retain(|_, sheet| sheet.words.get(id) != Some(value));
    }

    /// Puts the pages in random order.
    pub fn shuffle(&mut self) {
        for last in (1..self.pages.len()).rev() {
            self.pages.swap_indices(last, fastrand::usize(..=last));
        }
        self.indexes.clear();
        self.next_place = 0;
        for sheet in self.pages.values_mut() {
            sheet.place = self.next_place;
            self.next_place += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Create(usize),
        Set(usize, &'static str, &'static str),
        Remove(usize),
        RemoveMatching(&'static str, &'static str),
        Ask(&'static str, &'static str),
        Shuffle,
    }

    fn word() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec!["state", "id", "other"])
    }

    fn value() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec!["INIT", "RUN", "NULL", "", "a longer value"])
    }

    fn step() -> impl Strategy<Value = Step> {
        let page = || 0_usize..80;
        prop_oneof![
            4 => page().prop_map(Step::Create),
            8 => (page(), word(), value()).prop_map(|(p, w, v)| Step::Set(p, w, v)),
            2 => page().prop_map(Step::Remove),
            1 => (word(), value()).prop_map(|(w, v)| Step::RemoveMatching(w, v)),
            4 => (word(), value()).prop_map(|(w, v)| Step::Ask(w, v)),
            1 => Just(Step::Shuffle),
        ]
    }

    type Model = Vec<(String, Vec<(String, String)>)>;

    fn contents(book: &Book) -> Model {
        let pages = book.iter().map(|(name, page)| {
            let words = page.iter().map(|(w, v)| (w.to_owned(), v.to_owned()));
            (name.to_owned(), words.collect())
        });
        pages.collect()
    }

    fn of<'a>(words: &'a [(String, String)], word: &str) -> Option<&'a str> {
        let found = words.iter().find(|(w, _)| w == word);
        found.map(|(_, value)| value.as_str())
    }

    proptest! {
        #[test]
        fn a_book_is_as_a_list_of_pages(
            first in 0_usize..70,
            steps in prop::collection::vec(step(), 0..200),
        ) {
            let mut book = Book::default();
            let mut model = Model::new();
            let steps = (0..first).map(Step::Create).chain(steps);
            for step in steps {
                let name = |page: usize| format!("page.{page}");
                match step {
                    Step::Create(page) => {
                        book.create(&name(page));
                        if !model.iter().any(|(n, _)| *n == name(page)) {
                            model.push((name(page), Vec::new()));
                        }
                    },
                    Step::Set(page, word, value) => {
                        let done = book.set_word(&name(page), word, value);
                        let found = model.iter_mut().find(|(n, _)| *n == name(page));
                        prop_assert_eq!(done, found.is_some());
                        if let Some((_, words)) = found {
                            match words.iter_mut().find(|(w, _)| w == word) {
                                Some((_, old)) => value.clone_into(old),
                                None => words.push((word.to_owned(), value.to_owned())),
                            }
                        }
                    },
                    Step::Remove(page) => {
                        let before = model.len();
                        model.retain(|(n, _)| *n != name(page));
                        prop_assert_eq!(book.remove(&name(page)), model.len() < before);
                    },
                    Step::RemoveMatching(word, value) => {
                        book.remove_matching(word, value);
                        model.retain(|(_, words)| of(words, word) != Some(value));
                    },
                    Step::Ask(word, value) => {
                        let has = |words: &[_]| of(words, word).unwrap_or(MISSING) == value;
                        let names: Vec<_> =
                            model.iter().filter(|(_, w)| has(w)).map(|(n, _)| n).collect();
                        prop_assert_eq!(book.count_matching(word, value), names.len());
                        for nth in 0..=names.len() {
                            let found = book.nth_matching(word, value, nth);
                            prop_assert_eq!(found, names.get(nth).map(|n| n.as_str()));
                        }
                    },
                    Step::Shuffle => {
                        book.shuffle();
                        let now = contents(&book);
                        prop_assert_eq!(now.len(), model.len());
                        prop_assert!(model.iter().all(|page| now.contains(page)));
                        model = now;
                    },
                }
                prop_assert_eq!(book.len(), model.len());
            }
            prop_assert_eq!(contents(&book), model);
        }
    }
}
