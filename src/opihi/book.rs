//! Books: named, ordered pages of words with values (spec/pantasks.md §6).

use indexmap::IndexMap;

/// The words of a page, in the order they were first set.
pub type Page = IndexMap<Box<str>, String>;

/// All books by name, in the order they were made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Books(IndexMap<Box<str>, Book>);

/// The pages of a book, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Book {
    pages: IndexMap<Box<str>, Page>,
}

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
        self.pages.clear();
    }

    /// Page `name`.
    pub fn page(&self, name: &str) -> Option<&Page> {
        self.pages.get(name)
    }

    /// Page number `index`, from 0, with its name.
    pub fn nth(&self, index: usize) -> Option<(&str, &Page)> {
        let (name, page) = self.pages.get_index(index)?;
        Some((name, page))
    }

    /// Makes page `name`, unless it is there.
    pub fn create(&mut self, name: &str) {
        if !self.pages.contains_key(name) {
            self.pages.insert(name.into(), Page::new());
        }
    }

    /// Sets a word of page `name`; false where there is no such page.
    pub fn set_word(&mut self, name: &str, word: &str, value: &str) -> bool {
        let Some(page) = self.pages.get_mut(name) else {
            return false;
        };
        match page.get_mut(word) {
            Some(old) => value.clone_into(old),
            None => drop(page.insert(word.into(), value.to_owned())),
        }
        true
    }

    /// The pages with their names.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &Page)> {
        self.pages.iter().map(|(name, page)| (&**name, page))
    }

    /// The pages whose word `key` is `value`. `NULL` stands for a missing word too.
    pub fn matching<'a>(
        &'a self,
        key: &'a str,
        value: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a Page)> {
        self.iter()
            .filter(move |(_, page)| page.get(key).map_or("NULL", String::as_str) == value)
    }

    /// Takes page `name` away; false where there is none.
    pub fn remove(&mut self, name: &str) -> bool {
        self.pages.shift_remove(name).is_some()
    }

    /// Takes all pages away whose word `key` is `value`. Here a missing word is not `NULL`.
    pub fn remove_matching(&mut self, key: &str, value: &str) {
        self.pages
            .retain(|_, page| page.get(key).is_none_or(|word| word != value));
    }

    /// Puts the pages in random order.
    pub fn shuffle(&mut self) {
        for last in (1..self.pages.len()).rev() {
            self.pages.swap_indices(last, fastrand::usize(..=last));
        }
    }
}
