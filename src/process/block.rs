//! Waiting for files that appear late on network disks.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// The pauses between two looks: no network disk tells when a file of another host appears.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Waits until all files are visible.
pub(super) async fn visible(files: &[PathBuf]) {
    for file in files {
        let mut pause = FIRST_PAUSE;
        while !is_visible(file).await {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Looks for the file, and on failure into its directory, which makes a network disk forget
/// that the file was not there.
async fn is_visible(file: &Path) -> bool {
    if tokio::fs::metadata(file).await.is_ok() {
        return true;
    }
    let parent = file.parent().filter(|parent| *parent != Path::new(""));
    if let Ok(mut entries) = tokio::fs::read_dir(parent.unwrap_or(Path::new("."))).await {
        drop(entries.next_entry().await);
    }
    tokio::fs::metadata(file).await.is_ok()
}
