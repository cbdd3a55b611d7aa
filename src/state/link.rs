//! What a human has been told of each site's link.

use rusqlite::{Connection, OptionalExtension, params};

use super::{StateError, Store};

/// What a human has been told of a site's link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkTold {
    /// The link it was about: when it was opened, in milliseconds since 1970; 0 for none.
    pub link: i64,
    /// That it will end.
    pub ending: bool,
    /// That it is down.
    pub down: bool,
}

impl Store {
    /// Lets `decide` say what is to be told of the link to `site` and what has then been told.
    /// Of several programs that see the same, one alone is given what was not yet told. Where
    /// nothing changes, which is nearly always, nothing is written.
    pub fn tell_link<T>(
        &mut self,
        site: &str,
        decide: impl Fn(LinkTold) -> (LinkTold, T),
    ) -> Result<T, StateError> {
        let told = told(&self.connection, site)?;
        let (next, outcome) = decide(told);
        if next == told {
            return Ok(outcome);
        }
        let transaction = self.write()?;
        // Another program may have told it since.
        let (next, outcome) = decide(self::told(&transaction, site)?);
        transaction.execute(
            "INSERT OR REPLACE INTO links VALUES (?, ?, ?, ?)",
            params![site, next.link, next.ending, next.down],
        )?;
        transaction.commit()?;
        Ok(outcome)
    }
}

fn told(connection: &Connection, site: &str) -> Result<LinkTold, StateError> {
    let mut statement =
        connection.prepare_cached("SELECT link, ending, down FROM links WHERE site = ?")?;
    let told = statement.query_row([site], |row| {
        Ok(LinkTold {
            link: row.get(0)?,
            ending: row.get(1)?,
            down: row.get(2)?,
        })
    });
    Ok(told.optional()?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_remembered_by_site() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::create(&dir.path().join("state.db")).unwrap();
        let told = LinkTold {
            link: 7,
            ending: true,
            down: false,
        };
        store.tell_link("a", |_| (told, ())).unwrap();
        let mut known = |site| store.tell_link(site, |told| (told, told)).unwrap();
        assert_eq!(known("a"), told);
        assert_eq!(known("b"), LinkTold::default());
    }
}
