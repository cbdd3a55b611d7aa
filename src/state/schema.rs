//! The tables of state.db and their migrations.

use rusqlite_migration::{M, Migrations};

/// Marks a file as ours (`PRAGMA application_id`): `ORig`.
pub(super) const APPLICATION_ID: i32 = 0x4f52_6967;

/// Names that a recipe's dbinfo table may not take.
pub const RESERVED: [&str; 21] = [
    "runs",
    "components",
    "jobs",
    "files",
    "hashes",
    "results",
    "outbox",
    "events",
    "queue",
    "script_variables",
    "script_books",
    "script_pages",
    "script_jobs",
    "script_controllers",
    "links",
    "staged",
    "bundles",
    "site_jobs",
    "awaited",
    "transfers",
    "scratch_claims",
];

/// The schema version that all migrations lead to.
pub(super) const VERSION: i64 = 14;

/// All migrations, oldest first; the database's `user_version` counts those applied.
pub(super) fn migrations() -> Migrations<'static> {
    Migrations::new(vec![
        M::up(FIRST),
        M::up(SCRIPTS),
        M::up(SCRIPT_JOBS),
        M::up(LINKS),
        M::up(STAGED),
        M::up(EFFORT),
        M::up(BUNDLES),
        M::up(AWAITED),
        M::up(FAILURES),
        M::up(BACK_OFF),
        M::up(HARVESTED),
        M::up(TRANSFERS),
        M::up(SCRATCH_CLAIMS),
        M::up(CLAIMED_KINDS),
    ])
}

/// What a human has been told of each site's link; `link` is when it was opened.
const LINKS: &str = "
CREATE TABLE links (
    site   TEXT PRIMARY KEY,
    link   INTEGER NOT NULL,
    ending INTEGER NOT NULL,
    down   INTEGER NOT NULL
) STRICT;
";

/// Times are milliseconds since 1970 (UTC); paths are bytes.
const FIRST: &str = "
CREATE TABLE runs (
    run_id     INTEGER PRIMARY KEY AUTOINCREMENT,
    stage      TEXT NOT NULL,
    site       TEXT NOT NULL,
    label      TEXT NOT NULL,
    state      TEXT NOT NULL,
    path_base  TEXT NOT NULL,
    attempt    INTEGER NOT NULL DEFAULT 1,
    token      TEXT NOT NULL UNIQUE,
    job_id     TEXT,
    fault      INTEGER NOT NULL DEFAULT 0,
    reason     TEXT NOT NULL DEFAULT '',
    jobs       INTEGER NOT NULL DEFAULT 0,
    passed     INTEGER NOT NULL DEFAULT 0,
    failed     INTEGER NOT NULL DEFAULT 0,
    retried    INTEGER NOT NULL DEFAULT 0,
    lost       INTEGER NOT NULL DEFAULT 0,
    unseen_since INTEGER,
    owner      TEXT,
    lease_end  INTEGER,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    polled_at  INTEGER,
    CHECK (length(state) > 0)
) STRICT;
CREATE INDEX runs_by_state ON runs (state, site);

CREATE TABLE components (
    component_id INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id     INTEGER NOT NULL REFERENCES runs (run_id),
    stage      TEXT NOT NULL,
    stage_id   INTEGER NOT NULL,
    state      TEXT NOT NULL,
    jobs       INTEGER NOT NULL DEFAULT 0,
    attempt    INTEGER NOT NULL DEFAULT 1,
    path_base  TEXT NOT NULL DEFAULT '',
    reason     TEXT NOT NULL DEFAULT '',
    next_id    INTEGER,
    row        TEXT NOT NULL
) STRICT;
CREATE INDEX components_by_run ON components (run_id, state);
CREATE INDEX components_by_stage ON components (stage, stage_id, state);
CREATE UNIQUE INDEX component_claimed_once ON components (stage, stage_id) WHERE state <> 'retry';

CREATE TABLE jobs (
    run_id       INTEGER NOT NULL REFERENCES runs (run_id),
    seq          INTEGER NOT NULL,
    component_id INTEGER NOT NULL REFERENCES components (component_id),
    key          TEXT NOT NULL,
    state        TEXT NOT NULL,
    attempt      INTEGER NOT NULL DEFAULT 0,
    exit_code    INTEGER,
    started_at   INTEGER,
    ended_at     INTEGER,
    node         TEXT,
    memory       INTEGER,
    reason       TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (run_id, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX jobs_by_component ON jobs (component_id, key);

CREATE TABLE files (
    path     BLOB NOT NULL PRIMARY KEY,
    run_id   INTEGER NOT NULL REFERENCES runs (run_id),
    seq      INTEGER NOT NULL,
    remote   BLOB NOT NULL,
    size     INTEGER NOT NULL,
    hash     TEXT NOT NULL,
    at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX files_by_run ON files (run_id, seq);

CREATE TABLE hashes (
    device   INTEGER NOT NULL,
    inode    INTEGER NOT NULL,
    size     INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    hash     TEXT NOT NULL,
    PRIMARY KEY (device, inode)
) STRICT, WITHOUT ROWID;

CREATE TABLE results (
    run_id    INTEGER NOT NULL,
    seq       INTEGER NOT NULL,
    name      TEXT NOT NULL,
    record    TEXT NOT NULL,
    at        INTEGER NOT NULL,
    PRIMARY KEY (run_id, seq),
    FOREIGN KEY (run_id, seq) REFERENCES jobs (run_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
    run_id    INTEGER NOT NULL,
    seq       INTEGER NOT NULL,
    state     TEXT NOT NULL CHECK (state IN ('begun', 'done')),
    what      TEXT NOT NULL,
    at        INTEGER NOT NULL,
    PRIMARY KEY (run_id, seq),
    FOREIGN KEY (run_id, seq) REFERENCES jobs (run_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE queue (
    stage    TEXT NOT NULL,
    stage_id INTEGER NOT NULL,
    label    TEXT NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (stage, stage_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    event_id   INTEGER PRIMARY KEY,
    at         INTEGER NOT NULL,
    subject    TEXT NOT NULL,
    subject_id INTEGER NOT NULL,
    before     TEXT NOT NULL,
    after      TEXT NOT NULL,
    actor      TEXT NOT NULL,
    why        TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_subject ON events (subject, subject_id);
";

/// What task scripts keep; words are a JSON array of name and value.
const SCRIPTS: &str = "
CREATE TABLE script_variables (
    session TEXT NOT NULL,
    name    TEXT NOT NULL,
    value   TEXT NOT NULL,
    PRIMARY KEY (session, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE script_books (
    session  TEXT NOT NULL,
    book     TEXT NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (session, book)
) STRICT, WITHOUT ROWID;

CREATE TABLE script_pages (
    session  TEXT NOT NULL,
    book     TEXT NOT NULL,
    page     TEXT NOT NULL,
    position INTEGER NOT NULL,
    words    TEXT NOT NULL,
    PRIMARY KEY (session, book, page)
) STRICT, WITHOUT ROWID;
";

/// The jobs on other hosts whose end no script has seen yet, and by which name their agents know
/// the scheduler's controller. `launch` is JSON; `host` and `run` say where a job was
/// given to, `kept` whether it lives on there without its scheduler.
const SCRIPT_JOBS: &str = "
CREATE TABLE script_jobs (
    session TEXT NOT NULL,
    job     INTEGER NOT NULL,
    launch  TEXT NOT NULL,
    host    TEXT,
    run     TEXT,
    fence   REAL,
    killed  INTEGER NOT NULL,
    account TEXT,
    PRIMARY KEY (session, job),
    CHECK ((host IS NULL) = (run IS NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE script_controllers (
    session  TEXT NOT NULL PRIMARY KEY,
    identity TEXT NOT NULL
) STRICT, WITHOUT ROWID;
";

/// What is on the scratch of the sites. `run_id` is the last run that had to do with a file, `stamp`
/// what the site's `stat` said of it when its content was known.
const STAGED: &str = "
CREATE TABLE staged (
    site       TEXT NOT NULL,
    remote     BLOB NOT NULL,
    kind       TEXT NOT NULL CHECK (kind IN ('input', 'product', 'kept', 'directory')),
    run_id     INTEGER NOT NULL,
    size       INTEGER NOT NULL,
    hash       TEXT NOT NULL,
    stamp      TEXT NOT NULL,
    sent_at    INTEGER NOT NULL,
    touched_at INTEGER NOT NULL,
    used_at    INTEGER NOT NULL,
    PRIMARY KEY (site, remote)
) STRICT, WITHOUT ROWID;

CREATE INDEX files_by_remote ON files (remote);
";

/// What a job's work took. `threads` is null for a job that did no work.
const EFFORT: &str = "
ALTER TABLE jobs ADD COLUMN threads INTEGER;
ALTER TABLE jobs ADD COLUMN cpu_ms INTEGER;
CREATE INDEX runs_by_stage ON runs (stage, site);
";

/// Jobs of a controller that go to a site, and the batch jobs that bundle them. `run` is the
/// controller's number in hexadecimal, `start` and `ended` are JSON.
const BUNDLES: &str = "
CREATE TABLE bundles (
    bundle_id    INTEGER PRIMARY KEY AUTOINCREMENT,
    controller   TEXT NOT NULL,
    site         TEXT NOT NULL,
    state        TEXT NOT NULL,
    token        TEXT NOT NULL UNIQUE,
    job_id       TEXT,
    remote_dir   TEXT NOT NULL,
    unseen_since INTEGER,
    created_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX bundles_by_owner ON bundles (controller, site);

CREATE TABLE site_jobs (
    controller TEXT NOT NULL,
    site       TEXT NOT NULL,
    run        TEXT NOT NULL,
    start      TEXT NOT NULL,
    since      INTEGER NOT NULL,
    bundle_id  INTEGER,
    seq        INTEGER,
    tries      INTEGER NOT NULL DEFAULT 0,
    killed     INTEGER NOT NULL DEFAULT 0,
    ended      TEXT,
    stdout     BLOB,
    stderr     BLOB,
    PRIMARY KEY (controller, site, run),
    CHECK ((bundle_id IS NULL) = (seq IS NULL))
) STRICT, WITHOUT ROWID;
";

/// The batch jobs after which that of a run begins: `job_id` is the one of run `by_run`.
const AWAITED: &str = "
CREATE TABLE awaited (
    run_id INTEGER NOT NULL REFERENCES runs (run_id),
    by_run INTEGER NOT NULL REFERENCES runs (run_id),
    job_id TEXT NOT NULL,
    PRIMARY KEY (run_id, by_run)
) STRICT, WITHOUT ROWID;
";

/// How many tries of a job ended by themselves and failed, in this run.
const FAILURES: &str = "
ALTER TABLE jobs ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;
UPDATE jobs SET failures = 1 WHERE state = 'failed';
";

/// What a bundle of a component met, and until when the component waits for its next one.
const BACK_OFF: &str = "
ALTER TABLE components ADD COLUMN setback TEXT CHECK (setback IN ('own', 'outside'));
ALTER TABLE components ADD COLUMN due_at INTEGER;
CREATE INDEX components_by_due ON components (due_at) WHERE due_at IS NOT NULL;
";

/// When a run was last harvested while its batch job ran.
const HARVESTED: &str = "
ALTER TABLE runs ADD COLUMN harvested_at INTEGER;
";

/// The journal of transfers.
const TRANSFERS: &str = "
CREATE TABLE transfers (
    id       INTEGER PRIMARY KEY,
    site     TEXT NOT NULL,
    way      TEXT NOT NULL CHECK (way IN ('push', 'pull')),
    run_id   INTEGER,
    began_at INTEGER NOT NULL,
    ended_at INTEGER,
    files    INTEGER NOT NULL,
    moved    INTEGER NOT NULL DEFAULT 0,
    bytes    INTEGER NOT NULL DEFAULT 0,
    already  INTEGER NOT NULL DEFAULT 0,
    failed   INTEGER NOT NULL DEFAULT 0,
    why      TEXT NOT NULL DEFAULT ''
) STRICT;
";

/// Room on scratch for what runs are about to send.
const SCRATCH_CLAIMS: &str = "
CREATE TABLE scratch_claims (
    site   TEXT NOT NULL,
    run_id INTEGER NOT NULL,
    remote BLOB NOT NULL,
    size   INTEGER NOT NULL,
    PRIMARY KEY (site, run_id, remote)
) STRICT, WITHOUT ROWID;
";

/// Whether a file or the directory of a run is claimed. Claims of which that was not told are no more.
const CLAIMED_KINDS: &str = "
DELETE FROM scratch_claims;
ALTER TABLE scratch_claims ADD COLUMN kind TEXT NOT NULL DEFAULT 'input';
";

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    #[test]
    fn every_table_of_ours_is_reserved() {
        let mut connection = Connection::open_in_memory().unwrap();
        super::migrations().to_latest(&mut connection).unwrap();
        let mut statement = connection
            .prepare(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
            )
            .unwrap();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let name: String = row.get(0).unwrap();
            assert!(super::RESERVED.contains(&name.as_str()), "{name}");
        }
    }

    #[test]
    fn jobs_of_an_older_database_stay_and_tell_no_effort() {
        let mut connection = Connection::open_in_memory().unwrap();
        super::migrations().to_version(&mut connection, 5).unwrap();
        connection
            .execute_batch(
                "INSERT INTO runs (stage, site, label, state, path_base, token, created_at, changed_at)
                 VALUES ('chip', 'here', 't', 'full', 'runs', 'or-1-1-0', 0, 0);
                 INSERT INTO components (run_id, stage, stage_id, state, row)
                 VALUES (1, 'chip', 1, 'passed', '{}');
                 INSERT INTO jobs (run_id, seq, component_id, key, state) VALUES (1, 0, 1, 'a', 'passed');",
            )
            .unwrap();
        super::migrations().to_latest(&mut connection).unwrap();
        let sql = "SELECT state, threads FROM jobs";
        let row = connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)));
        assert_eq!(row, Ok(("passed".to_owned(), None::<u32>)));
    }

    #[test]
    fn components_of_an_older_database_do_not_wait() {
        let mut connection = Connection::open_in_memory().unwrap();
        super::migrations().to_version(&mut connection, 9).unwrap();
        connection
            .execute_batch(
                "INSERT INTO runs (stage, site, label, state, path_base, token, created_at, changed_at)
                 VALUES ('chip', 'here', 't', 'full', 'runs', 'or-1-1-0', 0, 0);
                 INSERT INTO components (run_id, stage, stage_id, state, row)
                 VALUES (1, 'chip', 1, 'retry', '{}');",
            )
            .unwrap();
        super::migrations().to_latest(&mut connection).unwrap();
        let sql = "SELECT state, setback, due_at FROM components";
        let row = connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        assert_eq!(row, Ok(("retry".to_owned(), None::<String>, None::<i64>)));
    }

    #[test]
    fn the_migrations_lead_to_the_stated_version() {
        let mut connection = Connection::open_in_memory().unwrap();
        super::migrations().to_latest(&mut connection).unwrap();
        let version: i64 = connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap();
        assert_eq!(version, super::VERSION);
    }
}
