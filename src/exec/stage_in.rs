//! Stage-in: what the site lacks is sent; what must be there already is looked for.

use std::{
    collections::BTreeMap,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use super::{Exec, Stop, refuse};
use crate::{
    state::{
        Store,
        run::Run,
        run_dir::{
            self,
            decision::Decision,
            files,
            manifest::{FileKind, ManifestLine},
        },
    },
    transfer::{self, Item, Outcome, TransferOptions},
};

/// Prints the place (from 0) of each NUL-ended path of its input that is not there. `read -d` is
/// not POSIX, so the list comes as one quoted line a path, made by us.
const LOOK: &str = r#"i=0
while IFS= read -r line; do
  path=$(printf '%b.' "$line"); path=${path%.}
  [ -e "$path" ] || printf '%s\n' "$i"
  i=$((i + 1))
done
printf 'looked at %s\n' "$i""#;

impl Exec<'_> {
    /// Sends the run directory and the inputs, verified; tells what was sent.
    pub(super) async fn stage_in(
        &self,
        store: &mut Store,
        run: &Run,
        run_dir: &Path,
    ) -> Result<String, Stop> {
        let decision = Decision::read(run_dir)?;
        let files = files::manifest(run_dir)?;
        let jobs = files::jobs(run_dir)?;

        let gone = self
            .absent(decision.resident.iter().map(PathBuf::as_path))
            .await?;
        if let Some(path) = gone.first().and_then(|at| decision.resident.get(*at)) {
            let path = path.display();
            return Err(Stop::Fail(format!(
                "resident path {path} is not on site {}; put it there, or take it out of `resident`",
                run.site
            )));
        }

        let mut missing: BTreeMap<u64, String> = BTreeMap::new();
        let there: Vec<&ManifestLine> =
            files.iter().filter(|f| f.kind == FileKind::There).collect();
        for at in self
            .absent(there.iter().map(|f| f.remote.as_path()))
            .await?
        {
            if let Some(file) = there.get(at) {
                missing.insert(
                    file.id,
                    format!("input {} is no longer on the site", file.remote.display()),
                );
            }
        }

        let inputs: Vec<&ManifestLine> = files.iter().filter(|f| f.kind == FileKind::In).collect();
        let mut items: Vec<Item> = inputs
            .iter()
            .map(|file| Item {
                local: file.local.clone().unwrap_or_default(),
                remote: file.remote.clone(),
                size: None,
                hash: None,
            })
            .collect();
        let bytes = inputs.iter().filter_map(|file| file.size).sum();
        self.progress.expect(inputs.len() as u64, bytes);
        let sent = self.push(store, &items).await?;
        for (file, outcome) in inputs.iter().zip(&sent) {
            if let Outcome::Failed(error) = outcome {
                missing.insert(file.id, error.to_string());
            }
        }

        let refused = refuse::refused(&jobs, &missing);
        if !jobs.is_empty() && refused.len() == jobs.len() {
            let why = refused.values().next().cloned().unwrap_or_default();
            return Err(Stop::Fail(format!("no job has all its inputs: {why}")));
        }
        files::write(run_dir, refuse::REFUSED, refuse::list(&refused).as_bytes())?;
        items = run_files(run_dir, &decision);
        for (item, outcome) in items.iter().zip(self.push(store, &items).await?) {
            if let Outcome::Failed(error) = outcome {
                return Err(Stop::Fail(format!("{}: {error}", item.local.display())));
            }
        }
        let fresh = sent
            .iter()
            .filter(|o| matches!(o, Outcome::Done { .. }))
            .count();
        let mut why = format!(
            "{fresh} of {} inputs sent, the others were there",
            sent.len()
        );
        if !refused.is_empty() {
            let refused = refused.len();
            why = format!("{why}; {refused} jobs refused for want of inputs");
        }
        Ok(why)
    }

    async fn push(&self, store: &mut Store, items: &[Item]) -> Result<Vec<Outcome>, Stop> {
        let ledger = transfer::Ledger::new(store)?;
        let options = TransferOptions::of(self.site_name, self.site, self.left, &ledger);
        let outcomes = transfer::push(self.host, items, &options, self.progress).await;
        let fresh = ledger.into_fresh();
        store.remember_hashes(&fresh)?;
        Ok(outcomes?)
    }

    /// Places in `paths` of those that are not on the site.
    async fn absent<'p>(&self, paths: impl Iterator<Item = &'p Path>) -> Result<Vec<usize>, Stop> {
        let mut list = String::new();
        let mut count = 0_usize;
        for path in paths {
            list.push_str(&octal(path.as_os_str().as_bytes()));
            list.push('\n');
            count += 1;
        }
        if count == 0 {
            return Ok(Vec::new());
        }
        let answer = self
            .host
            .script_fed(LOOK, &[], Some(list.as_bytes()))
            .await?;
        let out = answer.out();
        if !out.ends_with(&format!("looked at {count}\n")) {
            return Err(Stop::Fail(format!(
                "the site did not answer whether {count} files are there: {}",
                answer.err().trim()
            )));
        }
        Ok(out.lines().filter_map(|line| line.parse().ok()).collect())
    }
}

/// The files of the run directory that the batch job needs.
fn run_files(run_dir: &Path, decision: &Decision) -> Vec<Item> {
    let chunks = usize::try_from(decision.chunks).unwrap_or_default();
    [
        run_dir::COMMANDS,
        run_dir::WRAPPER,
        run_dir::BATCH_SCRIPT,
        refuse::REFUSED,
    ]
    .into_iter()
    .map(str::to_owned)
    .chain((0..chunks).map(run_dir::chunk_name))
    .map(|name| Item {
        local: run_dir.join(&name),
        remote: decision.remote_dir.join(&name),
        size: None,
        hash: None,
    })
    .collect()
}

/// Bytes as `printf %b` reads them back, one line whatever they are.
fn octal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_graphic() && byte != b'\\' {
            text.push(char::from(byte));
        } else {
            text.extend(["\\0", &format!("{byte:03o}")]);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_is_one_plain_line() {
        assert_eq!(octal(b"/a b\n\\\xff"), "/a\\0040b\\0012\\0134\\0377");
    }
}
