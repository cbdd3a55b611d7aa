//! What keeps a removal on scratch and the last look of a stage-in apart.
//!
//! A run is in its manifest before it looks. So either who removes sees that it needs a file, or
//! its look comes after the removal and sees that the file is gone.

use std::{
    fs::{File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

/// A held lock; it ends with this value, or with the process.
#[derive(Debug)]
pub struct Guard {
    _lock: File,
}

/// The lock of a site's scratch cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {error}; this file must be writable, as state.db is")]
pub struct GuardError {
    /// The lock's file.
    pub path: PathBuf,
    /// Why.
    pub error: io::Error,
}

impl Guard {
    /// Waits until nobody removes anything from the scratch of `site`. `state` is state.db.
    ///
    /// # Errors
    /// When the lock's file, which lies beside `state`, cannot be made or locked.
    pub(crate) async fn look(state: &Path, site: &str) -> Result<Self, GuardError> {
        Self::take(state, site, File::lock_shared).await
    }

    /// Waits until nobody looks at, or removes anything from, the scratch of `site`.
    ///
    /// # Errors
    /// When the lock's file, which lies beside `state`, cannot be made or locked.
    pub async fn remove(state: &Path, site: &str) -> Result<Self, GuardError> {
        Self::take(state, site, File::lock).await
    }

    async fn take(
        state: &Path,
        site: &str,
        lock: fn(&File) -> io::Result<()>,
    ) -> Result<Self, GuardError> {
        let path = state.with_file_name(format!(".scratch-{site}.lock"));
        let file = path.clone();
        let locked = tokio::task::spawn_blocking(move || {
            let mut options = OpenOptions::new();
            let file = options
                .create(true)
                .truncate(false)
                .write(true)
                .open(file)?;
            lock(&file)?;
            Ok(file)
        });
        let locked = locked.await.map_err(io::Error::from).flatten();
        match locked {
            Ok(lock) => Ok(Self { _lock: lock }),
            Err(error) => Err(GuardError { path, error }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn who_removes_waits_for_all_who_look_and_sites_do_not_wait_for_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state.db");
        let first = Guard::look(&state, "here").await.unwrap();
        let second = Guard::look(&state, "here").await.unwrap();
        Guard::remove(&state, "there").await.unwrap();
        let (own, site) = (state.clone(), "here");
        let remove = tokio::spawn(async move { Guard::remove(&own, site).await });
        drop(first);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!remove.is_finished());
        drop(second);
        remove.await.unwrap().unwrap();
    }
}
