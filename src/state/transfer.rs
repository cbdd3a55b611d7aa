//! The journal of transfers: what was moved to and from the sites, when, and what became of it.

use jiff::Timestamp;
use rusqlite::{Row, params};
use serde::Serialize;

use super::{StateError, Store, event::time};

/// Which way files go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// To the site.
    Push,
    /// From the site.
    Pull,
}

/// What a transfer is to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begun<'a> {
    /// The site.
    pub site: &'a str,
    /// Which way.
    pub way: Way,
    /// The run that it is for; `None` for one by hand.
    pub run_id: Option<i64>,
    /// Files that it is to move.
    pub files: usize,
    /// When it begins.
    pub at: Timestamp,
}

/// What a transfer came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Files that were moved.
    pub moved: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that were there before.
    pub already: u64,
    /// Files that could not be moved.
    pub failed: u64,
}

/// A transfer as it is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Transfer {
    /// Its number, counted over all sites.
    pub id: i64,
    /// The site.
    pub site: String,
    /// Which way.
    pub way: Way,
    /// The run that it was for; `None` for one by hand.
    pub run_id: Option<i64>,
    /// When it began.
    pub began_at: Timestamp,
    /// When it ended; `None` if it still runs, or its program was killed.
    pub ended_at: Option<Timestamp>,
    /// Files that it was to move.
    pub files: u64,
    /// What it came to.
    #[serde(flatten)]
    pub tally: Tally,
    /// Why it ended early; empty if it did not.
    pub why: String,
}

impl Way {
    /// The word, as in state.db.
    pub fn word(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Pull => "pull",
        }
    }
}

impl Store {
    /// Writes down that a transfer begins; gives its number.
    ///
    /// # Errors
    /// Whatever state.db says.
    pub fn begin_transfer(&mut self, begun: Begun<'_>) -> Result<i64, StateError> {
        let transaction = self.write()?;
        transaction.execute(
            "INSERT INTO transfers (site, way, run_id, began_at, files) VALUES (?, ?, ?, ?, ?)",
            params![
                begun.site,
                begun.way.word(),
                begun.run_id,
                begun.at.as_millisecond(),
                begun.files
            ],
        )?;
        let id = transaction.last_insert_rowid();
        transaction.commit()?;
        Ok(id)
    }

    /// Writes down what a transfer came to, or why it ended early.
    ///
    /// # Errors
    /// Whatever state.db says.
    pub fn end_transfer(
        &mut self,
        id: i64,
        came_to: Result<Tally, String>,
        at: Timestamp,
    ) -> Result<(), StateError> {
        let (tally, why) = match came_to {
            Ok(tally) => (tally, String::new()),
            Err(why) => (Tally::default(), why),
        };
        let transaction = self.write()?;
        transaction.execute(
            "UPDATE transfers SET ended_at = ?, moved = ?, bytes = ?, already = ?, failed = ?, why = ?
             WHERE id = ?",
            params![
                at.as_millisecond(),
                tally.moved,
                tally.bytes,
                tally.already,
                tally.failed,
                why,
                id
            ],
        )?;
        transaction.commit()?;
        Ok(())
    }

    /// The last `most` transfers, oldest first: of one site, or of all.
    ///
    /// # Errors
    /// Whatever state.db says.
    pub fn transfers(&self, site: Option<&str>, most: u32) -> Result<Vec<Transfer>, StateError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, site, way = 'push', run_id, began_at, ended_at, files, moved, bytes, already,
                    failed, why
             FROM transfers WHERE ?1 IS NULL OR site = ?1 ORDER BY id DESC LIMIT ?2",
        )?;
        let rows = statement.query_map(params![site, most], read)?;
        let mut transfers = rows.collect::<Result<Vec<_>, _>>()?;
        transfers.reverse();
        Ok(transfers)
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Transfer> {
    Ok(Transfer {
        id: row.get(0)?,
        site: row.get(1)?,
        way: if row.get(2)? { Way::Push } else { Way::Pull },
        run_id: row.get(3)?,
        began_at: time(row.get(4)?),
        ended_at: row.get::<_, Option<i64>>(5)?.map(time),
        files: row.get(6)?,
        tally: Tally {
            moved: row.get(7)?,
            bytes: row.get(8)?,
            already: row.get(9)?,
            failed: row.get(10)?,
        },
        why: row.get(11)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transfer_is_told_with_its_end_and_one_that_was_killed_without() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::create(&dir.path().join("state.db")).unwrap();
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let begun = |site, way, run_id| Begun {
            site,
            way,
            run_id,
            files: 3,
            at: at(1),
        };
        let whole = store
            .begin_transfer(begun("a", Way::Push, Some(7)))
            .unwrap();
        let cut = store.begin_transfer(begun("b", Way::Pull, None)).unwrap();
        store.begin_transfer(begun("a", Way::Pull, None)).unwrap();
        let tally = Tally {
            moved: 1,
            bytes: 10,
            already: 1,
            failed: 1,
        };
        store.end_transfer(whole, Ok(tally), at(2)).unwrap();
        store
            .end_transfer(cut, Err("link down".into()), at(3))
            .unwrap();

        let all = store.transfers(None, 9).unwrap();
        let told: Vec<_> = all
            .iter()
            .map(|one| {
                (
                    one.site.as_str(),
                    one.ended_at,
                    one.tally.moved,
                    one.why.as_str(),
                )
            })
            .collect();
        let wanted = [
            ("a", Some(at(2)), 1, ""),
            ("b", Some(at(3)), 0, "link down"),
            ("a", None, 0, ""),
        ];
        assert_eq!(told, wanted);
        assert_eq!(all[0].run_id, Some(7));
        let last = store.transfers(Some("a"), 1).unwrap();
        assert_eq!(last[..], all[2..]);
    }
}
