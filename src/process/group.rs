//! Process groups.

use std::{collections::BTreeSet, fs, io};

/// How many processes of these groups still live; one that has ended and was not waited for does
/// not count.
///
/// # Errors
/// What /proc said.
pub fn members(groups: &BTreeSet<u32>) -> io::Result<usize> {
    let mut count = 0;
    if groups.is_empty() {
        return Ok(count);
    }
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let name = entry.file_name();
        if !name.as_encoded_bytes().iter().all(u8::is_ascii_digit) {
            continue;
        }
        let stat = super::marked::seen(fs::read_to_string(entry.path().join("stat")))?;
        let group = stat.as_deref().and_then(living_group);
        count += usize::from(group.is_some_and(|group| groups.contains(&group)));
    }
    Ok(count)
}

/// The group in a line of /proc/PID/stat (proc(5)), unless the process has ended.
fn living_group(stat: &str) -> Option<u32> {
    // The name in parentheses, field 2, may have anything in it.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let state = fields.next()?;
    let group = fields.nth(1)?.parse().ok()?;
    (!state.starts_with(['Z', 'X'])).then_some(group)
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::CommandExt as _, process::Command};

    use super::*;

    #[test]
    fn a_group_is_read_past_a_strange_name_and_without_the_dead() {
        assert_eq!(living_group("7 (a) b (c)) S 1 70 7 0 -1"), Some(70));
        assert_eq!(living_group("7 (a) Z 1 70 7 0 -1"), None);
        assert_eq!(living_group("nonsense"), None);
    }

    #[test]
    fn a_group_lives_until_all_its_processes_are_dead() {
        let mut command = Command::new("/bin/sleep");
        command.arg("600").env_clear().process_group(0);
        let mut child = command.spawn().unwrap();
        let groups = BTreeSet::from([child.id()]);
        assert_eq!(members(&groups).unwrap(), 1);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(members(&groups).unwrap(), 0);
    }
}
