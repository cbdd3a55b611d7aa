//! Variables and books of task scripts that outlive their scheduler (`persist on`).

use rusqlite::params;

use super::{StateError, Store};

/// A page of a book: its name and its words, in order.
pub type SavedPage = (String, Vec<(String, String)>);

/// What a scheduler has kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Saved {
    /// Variables by name.
    pub variables: Vec<(String, String)>,
    /// Books with their pages, both in order.
    pub books: Vec<(String, Vec<SavedPage>)>,
}

/// What has changed since the last save.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Variables that are new or have another value.
    pub set: Vec<(String, String)>,
    /// Variables that are gone.
    pub unset: Vec<String>,
    /// All books in order, where that has changed.
    pub books: Option<Vec<String>>,
    /// Pages that are new, have other words, or another place.
    pub pages: Vec<ChangedPage>,
    /// Pages that are gone, each by book and name.
    pub pages_gone: Vec<(String, String)>,
}

/// A page that is new, has other words, or another place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedPage {
    /// Its book.
    pub book: String,
    /// Its name.
    pub page: String,
    /// Its place among the pages of the book: they are in the order of this number.
    pub position: i64,
    /// Its words, in order.
    pub words: Vec<(String, String)>,
}

impl Changes {
    /// Whether nothing has changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Store {
    /// What the scheduler `session` has kept; nothing where it never did.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn saved_script(&self, session: &str) -> Result<Saved, StateError> {
        let mut saved = Saved::default();
        let mut query = self
            .connection
            .prepare_cached("SELECT name, value FROM script_variables WHERE session = ?")?;
        for row in query.query_map([session], |row| Ok((row.get(0)?, row.get(1)?)))? {
            saved.variables.push(row?);
        }
        let mut query = self
            .connection
            .prepare_cached("SELECT book FROM script_books WHERE session = ? ORDER BY position")?;
        for book in query.query_map([session], |row| row.get::<_, String>(0))? {
            saved.books.push((book?, Vec::new()));
        }
        let mut query = self.connection.prepare_cached(
            "SELECT page, words FROM script_pages WHERE session = ? AND book = ? ORDER BY position",
        )?;
        for (book, pages) in &mut saved.books {
            let rows = query.query_map([session, book.as_str()], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
            })?;
            for row in rows {
                let (page, words) = row?;
                let words = serde_json::from_str(&words)
                    .map_err(|_| StateError::Corrupt(format!("page {page} of book {book}")))?;
                pages.push((page, words));
            }
        }
        Ok(saved)
    }

    /// Keeps what has changed, in one transaction.
    ///
    /// # Errors
    /// [`StateError`]; then nothing was kept.
    pub fn save_script(&mut self, session: &str, changes: &Changes) -> Result<(), StateError> {
        let transaction = self.write()?;
        {
            let mut set = transaction
                .prepare_cached("INSERT OR REPLACE INTO script_variables VALUES (?, ?, ?)")?;
            for (name, value) in &changes.set {
                set.execute(params![session, name, value])?;
            }
            let mut unset = transaction
                .prepare_cached("DELETE FROM script_variables WHERE session = ? AND name = ?")?;
            for name in &changes.unset {
                unset.execute(params![session, name])?;
            }
            if let Some(books) = &changes.books {
                transaction.execute("DELETE FROM script_books WHERE session = ?", [session])?;
                let mut insert =
                    transaction.prepare_cached("INSERT INTO script_books VALUES (?, ?, ?)")?;
                for (position, book) in (0_i64..).zip(books) {
                    insert.execute(params![session, book, position])?;
                }
            }
            let mut gone = transaction.prepare_cached(
                "DELETE FROM script_pages WHERE session = ? AND book = ? AND page = ?",
            )?;
            for (book, page) in &changes.pages_gone {
                gone.execute(params![session, book, page])?;
            }
            let mut put = transaction
                .prepare_cached("INSERT OR REPLACE INTO script_pages VALUES (?, ?, ?, ?, ?)")?;
            for changed in &changes.pages {
                let words = serde_json::to_string(&changed.words)
                    .map_err(|error| StateError::Corrupt(error.to_string()))?;
                put.execute(params![
                    session,
                    changed.book,
                    changed.page,
                    changed.position,
                    words
                ])?;
            }
        }
        Ok(transaction.commit()?)
    }

    /// Drops what the scheduler `session` has kept.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn forget_script(&mut self, session: &str) -> Result<(), StateError> {
        let transaction = self.write()?;
        for table in ["script_variables", "script_books", "script_pages"] {
            transaction.execute(&format!("DELETE FROM {table} WHERE session = ?"), [session])?;
        }
        Ok(transaction.commit()?)
    }
}
