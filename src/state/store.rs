//! Opening state.db: a new one is made, a known one is brought up to date, and one that is newer,
//! damaged, foreign or on a network disk is refused without being touched.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use super::{counted, schema};

/// How long a writer waits for the one that is at work.
const BUSY: Duration = Duration::from_secs(30);

/// Why state.db cannot be used. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// There is no database.
    #[error("{0}: no such database; `outrigger init` makes one")]
    Missing(PathBuf),
    /// Made by a newer outrigger.
    #[error(
        "{path}: made by a newer outrigger (schema {found}, this one knows {known}); use that one. Nothing was changed"
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The newest schema version that this program knows.
        known: i64,
    },
    /// Not one of ours.
    #[error("{0}: not an outrigger database; name another file as `state:`. Nothing was changed")]
    Foreign(PathBuf),
    /// SQLite finds it broken.
    #[error(
        "{path}: damaged ({what}); restore the last backup, or salvage it with `sqlite3 {path} .recover`. Nothing was changed"
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        what: String,
    },
    /// WAL needs shared memory, which network disks do not give.
    #[error(
        "{path}: on a network disk ({kind}), where SQLite cannot lock safely; keep state.db on a local disk"
    )]
    NetworkDisk {
        /// The database.
        path: PathBuf,
        /// The file system.
        kind: &'static str,
    },
    /// Another writer did not finish in time.
    #[error(
        "state.db stays locked by another program that writes; wait for it, or give more time with --db-wait"
    )]
    Locked,
    /// It cannot be written.
    #[error("{0}: cannot be written; check its permissions and those of its directory")]
    ReadOnly(PathBuf),
    /// A status change that its table does not allow.
    #[error(transparent)]
    Illegal(#[from] IllegalMove),
    /// A row that should be there is not.
    #[error("no {what} {id} in state.db")]
    NoRow {
        /// Kind of row.
        what: &'static str,
        /// Its number.
        id: i64,
    },
    /// Someone else holds the run.
    #[error(
        "run {run} is being worked on by {owner}; it is free again at the latest in {seconds} s"
    )]
    Held {
        /// The run.
        run: i64,
        /// Who holds it.
        owner: String,
        /// Seconds until the lease ends by itself.
        seconds: i64,
    },
    /// A text in the database that does not parse.
    #[error("state.db holds a value that is not understood: {0}; run `outrigger db check`")]
    Corrupt(String),
    /// A record that does not fit its table.
    #[error(transparent)]
    Record(#[from] super::record::RecordError),
    /// Anything else that SQLite says.
    #[error("state.db: {0}")]
    Sqlite(rusqlite::Error),
}

impl StateError {
    /// Whether it is about what one run brought, and the database is well.
    pub(crate) fn is_of_one_run(&self) -> bool {
        matches!(self, Self::Record(_))
    }
}

/// A status change that the transition function does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{subject} in state `{state}` cannot {event}: {mend}")]
pub struct IllegalMove {
    /// What would have changed: `run`, `component`, `job`.
    pub subject: &'static str,
    /// The state it is in.
    pub state: String,
    /// What was asked.
    pub event: &'static str,
    /// What can be done instead.
    pub mend: &'static str,
}

impl From<rusqlite::Error> for StateError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked,
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen) => Self::ReadOnly("state.db".into()),
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::Damaged {
                path: "state.db".into(),
                what: error.to_string(),
            },
            _ => Self::Sqlite(error),
        }
    }
}

/// An open state.db. One writer at a time: every change is an immediate transaction.
#[derive(Debug)]
pub struct Store {
    pub(super) connection: Connection,
    path: PathBuf,
}

impl Store {
    /// Makes a new database, or opens the one that is there.
    pub fn create(path: &Path) -> Result<Self, StateError> {
        refuse_network_disk(path)?;
        if std::fs::metadata(path).is_ok_and(|m| m.len() > 0) {
            return Self::open(path);
        }
        let mut connection = Connection::open(path).map_err(|e| at(path, e))?;
        connection.pragma_update(None, "application_id", schema::APPLICATION_ID)?;
        prepare(&mut connection, path)?;
        migrate(&mut connection, path)?;
        Ok(Self {
            connection,
            path: path.to_owned(),
        })
    }

    /// Opens an existing database and brings its schema up to date.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        refuse_network_disk(path)?;
        if !path.exists() {
            return Err(StateError::Missing(path.to_owned()));
        }
        inspect(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags).map_err(|e| at(path, e))?;
        if connection.is_readonly("main").unwrap_or(false) {
            return Err(StateError::ReadOnly(path.to_owned()));
        }
        prepare(&mut connection, path)?;
        migrate(&mut connection, path)?;
        Ok(Self {
            connection,
            path: path.to_owned(),
        })
    }

    /// How long a change waits for another program that writes; 30 s unless set.
    pub fn set_patience(&self, wait: Duration) -> Result<(), StateError> {
        Ok(self.connection.busy_timeout(wait)?)
    }

    /// A second connection for reading only: queries of recipes run on it and cannot write.
    pub fn reader(&self) -> Result<Connection, StateError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            Connection::open_with_flags(&self.path, flags).map_err(|e| at(&self.path, e))?;
        connection.busy_timeout(BUSY)?;
        Ok(connection)
    }

    /// Where the database is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Begins a transaction that holds the write lock from the start.
    pub(super) fn write(&mut self) -> Result<Transaction<'_>, StateError> {
        Ok(self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?)
    }
}

/// Reads the header without writing anything, not even a WAL file.
fn inspect(path: &Path) -> Result<(), StateError> {
    if std::fs::metadata(path).is_ok_and(|m| m.len() == 0) {
        return Err(StateError::Foreign(path.to_owned()));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|e| at(path, e))?;
    connection.busy_timeout(BUSY)?;
    let read = |name: &str| -> Result<i64, StateError> {
        connection
            .pragma_query_value(None, name, |row| row.get(0))
            .map_err(|e| at(path, e))
    };
    if read("application_id")? != i64::from(schema::APPLICATION_ID) {
        return Err(StateError::Foreign(path.to_owned()));
    }
    let found = read("user_version")?;
    let known = schema::VERSION;
    if found > known {
        return Err(StateError::Newer {
            path: path.to_owned(),
            found,
            known,
        });
    }
    Ok(())
}

fn prepare(connection: &mut Connection, path: &Path) -> Result<(), StateError> {
    connection.busy_timeout(BUSY)?;
    let mode: String = connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .map_err(|e| at(path, e))?;
    if mode != "wal" {
        return Err(StateError::ReadOnly(path.to_owned()));
    }
    // FULL: a recorded submission must survive a power cut.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.set_prepared_statement_cache_capacity(64);
    counted::count(connection)
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StateError> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found == schema::VERSION {
        return Ok(());
    }
    schema::migrations()
        .to_latest(connection)
        .map_err(|e| match e {
            rusqlite_migration::Error::RusqliteError { err, .. } => match at(path, err) {
                // Its text would be the whole schema.
                StateError::Sqlite(_) => StateError::Damaged {
                    path: path.to_owned(),
                    what: format!("its tables are not those of schema version {found}"),
                },
                other => other,
            },
            other => StateError::Damaged {
                path: path.to_owned(),
                what: other.to_string(),
            },
        })
}

/// A SQLite error with the path it is about.
fn at(path: &Path, error: rusqlite::Error) -> StateError {
    match StateError::from(error) {
        StateError::ReadOnly(_) => StateError::ReadOnly(path.to_owned()),
        StateError::Damaged { what, .. } => StateError::Damaged {
            path: path.to_owned(),
            what,
        },
        other => other,
    }
}

/// Refuses file systems that other machines share.
fn refuse_network_disk(path: &Path) -> Result<(), StateError> {
    let parent = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let Ok(stat) = rustix::fs::statfs(if path.exists() { path } else { parent }) else {
        return Ok(());
    };
    match network_disk(stat.f_type) {
        Some(kind) => Err(StateError::NetworkDisk {
            path: path.to_owned(),
            kind,
        }),
        None => Ok(()),
    }
}

/// Name of a network file system by its magic number (statfs(2)).
fn network_disk(magic: i64) -> Option<&'static str> {
    match magic & 0xffff_ffff {
        0x6969 => Some("NFS"),
        0x517b => Some("SMB"),
        0xff53_4d42 => Some("CIFS"),
        0xfe53_4d42 => Some("SMB2"),
        0x0bd0_0bd0 => Some("Lustre"),
        0x4750_4653 => Some("GPFS"),
        0x00c3_6400 => Some("Ceph"),
        0x7461_636f => Some("OCFS2"),
        0x0116_1970 => Some("GFS2"),
        0x5346_414f => Some("AFS"),
        0x1983_0326 => Some("BeeGFS"),
        0xaad7_aaea => Some("PanFS"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        (dir, path)
    }

    #[test]
    fn a_new_database_opens_again() {
        let (_dir, path) = fresh();
        Store::create(&path).unwrap();
        Store::open(&path).unwrap();
    }

    #[test]
    fn a_missing_database_is_not_made_by_open() {
        let (_dir, path) = fresh();
        assert!(matches!(Store::open(&path), Err(StateError::Missing(_))));
        assert!(!path.exists());
    }

    #[test]
    fn a_newer_database_is_refused_and_not_touched() {
        let (_dir, path) = fresh();
        let store = Store::create(&path).unwrap();
        store
            .connection
            .pragma_update(None, "user_version", 999)
            .unwrap();
        store
            .connection
            .pragma_update(None, "journal_mode", "DELETE")
            .unwrap();
        drop(store);
        let before = std::fs::read(&path).unwrap();
        assert!(matches!(
            Store::open(&path),
            Err(StateError::Newer { found: 999, .. })
        ));
        assert!(matches!(
            Store::create(&path),
            Err(StateError::Newer { .. })
        ));
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn foreign_and_damaged_files_are_refused_and_not_touched() {
        let (dir, path) = fresh();
        std::fs::write(
            &path,
            "this is no database at all, but rather long text\n".repeat(99),
        )
        .unwrap();
        let before = std::fs::read(&path).unwrap();
        assert!(matches!(
            Store::open(&path),
            Err(StateError::Damaged { .. })
        ));
        assert_eq!(std::fs::read(&path).unwrap(), before);

        let other = dir.path().join("other.db");
        Connection::open(&other)
            .unwrap()
            .execute("CREATE TABLE t (x)", [])
            .unwrap();
        assert!(matches!(Store::open(&other), Err(StateError::Foreign(_))));
    }

    #[test]
    fn network_disks_are_known_by_their_number() {
        assert_eq!(network_disk(0x6969), Some("NFS"));
        assert_eq!(network_disk(0x0bd0_0bd0), Some("Lustre"));
        assert_eq!(network_disk(0xef53), None);
    }
}
