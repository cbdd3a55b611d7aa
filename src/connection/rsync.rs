//! `rsync` as a rider on a master.

use std::path::Path;

use tokio::process::Command;

use super::{
    LinkError, Output,
    master::Master,
    scp::{Copied, far_path, granted, permit, rider_options},
};

/// Copies the files of one directory into another by one `rsync`; links as what they lead to.
pub(super) async fn copy(
    master: &Master,
    copied: Copied<'_>,
    limit: Option<u64>,
) -> Result<Output, LinkError> {
    let _permit = permit(master, "rsync").await?;
    granted(master, || command(master, copied, limit)).await
}

fn command(master: &Master, copied: Copied<'_>, limit: Option<u64>) -> Command {
    let ssh = &master.ssh;
    let mut shell = vec![ssh.ssh.to_string_lossy().into_owned()];
    shell.extend(rider_options(&master.socket, ssh));
    let mut command = Command::new("rsync");
    command
        .env("LC_ALL", "C")
        .args([
            "-rL",
            "--whole-file",
            "--chmod=ugo=rwX",
            "--protect-args",
            "-e",
        ])
        .arg(
            shell
                .iter()
                .map(|word| word_of(word))
                .collect::<Vec<_>>()
                .join(" "),
        )
        // It counts in KiB a second, and 0 is no limit.
        .args(limit.map(|limit| format!("--bwlimit={}", (limit / 1024).max(1))))
        .arg("--");
    let inside = |path: &Path| {
        let mut path = path.as_os_str().to_owned();
        path.push("/");
        path
    };
    match copied {
        Copied::To { from, into, .. } => {
            command.arg(inside(from)).arg(far_path(ssh, &inside(into)))
        },
        Copied::From { from, into } => command.arg(far_path(ssh, &inside(from))).arg(inside(into)),
    };
    command
}

/// A word as rsync reads its `-e`: blanks part words, single quotes keep them, a doubled one is
/// one.
fn word_of(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./=@:,+%".contains(&b);
    if word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "''"))
}
