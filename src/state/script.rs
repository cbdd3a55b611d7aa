//! Variables and books of task scripts that outlive their scheduler (`persist on`).

use rusqlite::{OptionalExtension as _, params};

use super::{StateError, Store};

/// A page of a book: its name and its words, in order.
pub type SavedPage = (String, Vec<(String, String)>);

/// What a scheduler has kept.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Saved {
    /// Variables by name.
    pub variables: Vec<(String, String)>,
    /// Books with their pages, both in order.
    pub books: Vec<(String, Vec<SavedPage>)>,
    /// The name by which agents on other hosts know its controller.
    pub identity: Option<String>,
    /// Its jobs on other hosts, in the order of their submission.
    pub jobs: Vec<SavedJob>,
}

/// A job on another host whose end no script has seen yet.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedJob {
    /// Its number.
    pub job: u64,
    /// What it runs, as JSON.
    pub launch: String,
    /// Where it was given to.
    pub place: Option<SavedPlace>,
}

/// Where a job was given to.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedPlace {
    /// The host.
    pub host: String,
    /// The number of the attempt.
    pub run: u64,
    /// So many seconds after its host has heard nothing it is ended there; never, where it lives on
    /// without its scheduler.
    pub fence: Option<f64>,
    /// It was told to end.
    pub killed: bool,
    /// The machine and account behind the host's name.
    pub account: Option<String>,
}

/// What has changed since the last save.
#[derive(Debug, Clone, Default, PartialEq)]
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
    /// The name of the controller, where it is new.
    pub identity: Option<String>,
    /// Jobs that are new or have another place.
    pub jobs: Vec<SavedJob>,
    /// Jobs that are over.
    pub jobs_gone: Vec<u64>,
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
        saved.identity = self
            .connection
            .query_row(
                "SELECT identity FROM script_controllers WHERE session = ?",
                [session],
                |row| row.get(0),
            )
            .optional()?;
        saved.jobs = self.saved_jobs(session)?;
        Ok(saved)
    }

    fn saved_jobs(&self, session: &str) -> Result<Vec<SavedJob>, StateError> {
        let mut query = self.connection.prepare_cached(
            "SELECT job, launch, host, run, fence, killed, account
             FROM script_jobs WHERE session = ? ORDER BY job",
        )?;
        let rows = query.query_map([session], |row| {
            let host: Option<String> = row.get(2)?;
            let run: Option<String> = row.get(3)?;
            let rest = (row.get(4)?, row.get(5)?, row.get(6)?);
            Ok((row.get(0)?, row.get(1)?, host.zip(run), rest))
        })?;
        let mut jobs = Vec::new();
        for row in rows {
            let (job, launch, place, (fence, killed, account)) = row?;
            let place = match place {
                Some((host, run)) => {
                    let run = u64::from_str_radix(&run, 16);
                    let run = run.map_err(|_| StateError::Corrupt(format!("job {job}")))?;
                    Some(SavedPlace {
                        host,
                        run,
                        fence,
                        killed,
                        account,
                    })
                },
                None => None,
            };
            jobs.push(SavedJob { job, launch, place });
        }
        Ok(jobs)
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
            if let Some(identity) = &changes.identity {
                transaction.execute(
                    "INSERT OR REPLACE INTO script_controllers VALUES (?, ?)",
                    params![session, identity],
                )?;
            }
            let mut gone = transaction
                .prepare_cached("DELETE FROM script_jobs WHERE session = ? AND job = ?")?;
            for job in &changes.jobs_gone {
                gone.execute(params![session, job])?;
            }
            let mut put = transaction.prepare_cached(
                "INSERT OR REPLACE INTO script_jobs VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            )?;
            for SavedJob { job, launch, place } in &changes.jobs {
                let place = place.as_ref();
                let host = place.map(|place| &place.host);
                let run = place.map(|place| format!("{:016x}", place.run));
                let fence = place.and_then(|place| place.fence);
                let killed = place.is_some_and(|place| place.killed);
                let account = place.and_then(|place| place.account.as_ref());
                put.execute(params![
                    session, job, launch, host, run, fence, killed, account
                ])?;
            }
        }
        Ok(transaction.commit()?)
    }

    /// Drops the jobs that the scheduler `session` has kept, and the name of its controller.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn forget_jobs(&mut self, session: &str) -> Result<(), StateError> {
        let transaction = self.write()?;
        for table in ["script_jobs", "script_controllers"] {
            transaction.execute(&format!("DELETE FROM {table} WHERE session = ?"), [session])?;
        }
        Ok(transaction.commit()?)
    }

    /// Drops what the scheduler `session` has kept.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn forget_script(&mut self, session: &str) -> Result<(), StateError> {
        let transaction = self.write()?;
        for table in [
            "script_variables",
            "script_books",
            "script_pages",
            "script_jobs",
            "script_controllers",
        ] {
            transaction.execute(&format!("DELETE FROM {table} WHERE session = ?"), [session])?;
        }
        Ok(transaction.commit()?)
    }
}
