//! The words of a page.

use indexmap::IndexSet;

/// The values of a page's words in one text, in the order the words were first set.
#[derive(Debug, Clone, Default)]
pub(super) struct Words {
    text: String,
    words: Vec<Word>,
}

/// A word by the number of its name, and where its value ends.
#[derive(Debug, Clone, Copy)]
struct Word {
    id: u32,
    end: u32,
}

impl Words {
    fn value(&self, at: usize) -> Option<&str> {
        let end = self.words.get(at)?.end as usize;
        self.text.get(self.start(at)..end)
    }

    fn start(&self, at: usize) -> usize {
        let before = at.checked_sub(1).and_then(|before| self.words.get(before));
        before.map_or(0, |word| word.end as usize)
    }

    pub(super) fn get(&self, id: u32) -> Option<&str> {
        let at = self.words.iter().position(|word| word.id == id)?;
        self.value(at)
    }

    /// Sets a word; false where the page would grow beyond 4 GiB.
    pub(super) fn set(&mut self, id: u32, value: &str) -> bool {
        let Some(at) = self.words.iter().position(|word| word.id == id) else {
            return self.push(id, value);
        };
        let start = self.start(at);
        let old = self.value(at).map_or(0, str::len);
        let (Ok(size), Ok(old_size)) = (u32::try_from(value.len()), u32::try_from(old)) else {
            return false;
        };
        if u32::try_from(self.text.len() - old + value.len()).is_err() {
            return false;
        }
        self.text.replace_range(start..start + old, value);
        for word in self.words.iter_mut().skip(at) {
            word.end = word.end - old_size + size;
        }
        true
    }

    fn push(&mut self, id: u32, value: &str) -> bool {
        let Ok(end) = u32::try_from(self.text.len() + value.len()) else {
            return false;
        };
        // Pages are many and seldom grow: no room is kept for what may come.
        self.text.reserve_exact(value.len());
        self.text.push_str(value);
        if self.words.len() == self.words.capacity() {
            self.words.reserve_exact(4);
        }
        self.words.push(Word { id, end });
        true
    }
}

/// A page: its words and their values, in the order they were first set.
#[derive(Clone, Copy)]
pub struct Page<'a> {
    names: &'a IndexSet<Box<str>>,
    words: &'a Words,
}

impl std::fmt::Debug for Page<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<'a> Page<'a> {
    pub(super) fn new(names: &'a IndexSet<Box<str>>, words: &'a Words) -> Self {
        Self { names, words }
    }

    /// How many words there are.
    pub fn len(&self) -> usize {
        self.words.words.len()
    }

    /// Whether there are no words.
    pub fn is_empty(&self) -> bool {
        self.words.words.is_empty()
    }

    /// The value of a word.
    pub fn get(&self, word: &str) -> Option<&'a str> {
        let id = u32::try_from(self.names.get_index_of(word)?).ok()?;
        self.words.get(id)
    }

    /// The words with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let Self { names, words } = *self;
        let all = words.words.iter().enumerate();
        all.filter_map(move |(at, word)| {
            let name = names.get_index(word.id as usize)?;
            Some((&**name, words.value(at)?))
        })
    }
}
