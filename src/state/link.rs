//! What a human has been told of each site's link.

use rusqlite::{OptionalExtension, params};

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
    /// Of several programs that see the same, one alone is given what was not yet told.
    pub fn tell_link<T>(
        &mut self,
        site: &str,
        decide: impl FnOnce(LinkTold) -> (LinkTold, T),
    ) -> Result<T, StateError> {
        let transaction = self.write()?;
        let told = transaction
            .query_row(
                "SELECT link, ending, down FROM links WHERE site = ?",
                [site],
                |row| {
                    Ok(LinkTold {
                        link: row.get(0)?,
                        ending: row.get(1)?,
                        down: row.get(2)?,
                    })
                },
            )
            .optional()?
            .unwrap_or_default();
        let (next, outcome) = decide(told);
        if next != told {
            transaction.execute(
                "INSERT OR REPLACE INTO links VALUES (?, ?, ?, ?)",
                params![site, next.link, next.ending, next.down],
            )?;
        }
        transaction.commit()?;
        Ok(outcome)
    }
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
