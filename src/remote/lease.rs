//! Who holds a claim: a process of a host, told apart from a later one with the same number.

use std::fs;

/// This process: `host/pid/start`.
pub(super) fn own_name() -> String {
    let pid = std::process::id();
    format!("{}/{pid}/{}", host(), start_of(pid).unwrap_or_default())
}

/// Whether the holder was a process of this host that is no more.
pub(super) fn is_gone(owner: &str) -> bool {
    lives(owner) == Some(false)
}

/// Whether the holder is a process of this host that lives.
pub(super) fn is_here(owner: &str) -> bool {
    lives(owner) == Some(true)
}

/// Whether the holder lives; `None` if it is not of this host.
fn lives(owner: &str) -> Option<bool> {
    let mut parts = owner.rsplitn(3, '/');
    let (start, pid, name) = (parts.next()?, parts.next()?, parts.next()?);
    let pid: u32 = pid.parse().ok()?;
    (name == host()).then(|| start_of(pid).is_some_and(|now| now == start))
}

/// Name of the host and of its boot: a pid means nothing after a reboot.
fn host() -> String {
    let node = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    format!("{node}:{}", boot.split('-').next().unwrap_or_default())
}

/// When a process began, in clock ticks since boot (proc(5), field 22).
fn start_of(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace();
    let state = fields.next()?;
    (state != "Z")
        .then(|| fields.nth(18).map(str::to_owned))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_are_not_gone() {
        assert!(!is_gone(&own_name()));
        assert!(is_here(&own_name()));
    }

    #[test]
    fn a_process_that_ended_is_gone_but_only_if_it_was_here() {
        let mut child = std::process::Command::new("/bin/true").spawn().unwrap();
        let name = format!("{}/{}/1", host(), child.id());
        child.wait().unwrap();
        assert!(is_gone(&name));
        assert!(!is_gone(&name.replacen(&host(), "elsewhere", 1)));
        assert!(!is_gone("nonsense") && !is_here("nonsense"));
    }
}
