//! Looking at many files on the site by one script: which are there, of what size, and whether
//! anybody wrote to them since we last looked. Nothing is read through.

use std::{
    collections::HashMap,
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use crate::connection::{Host, LinkError, escape_b};

/// Files looked at by one script.
const LOOKED_AT: usize = 4000;

/// Reads lines of flag, tab and path (odd bytes as `printf %b` escapes). Of each path that is there
/// it tells size, inode and times; of one with the flag `t` it tells them, touches it, and tells
/// them again. Where `stat -c` is not known it tells only that the path is there.
const LOOK: &str = r#"
LC_ALL=C TZ=UTC0; export LC_ALL TZ
if stat -L -c %s / >/dev/null 2>&1; then
    tell() { stat -L -c "or $w%s|%i|%y|%z|%n" -- "$@" 2>/dev/null; }
    tell_odd() { s=$(stat -L -c '%s|%i|%y|%z' -- "$2" 2>/dev/null) && printf 'or %s%s|#%s\n' "$w" "$s" "$1"; }
else
    tell() { for q; do [ ! -e "$q" ] || printf 'or %s-|-|-|-|%s\n' "$w" "$q"; done; }
    tell_odd() { [ ! -e "$2" ] || printf 'or %s-|-|-|-|#%s\n' "$w" "$1"; }
fi
flush() {
    [ $# -ne 0 ] || return
    w='= '; tell "$@"
    [ "$flag" = t ] || return
    touch -c -- "$@" 2>/dev/null
    w='~ '; tell "$@"
}
flag= n=0
set --
while IFS='	' read -r f p; do
    if [ "$f" != "$flag" ] || [ $# -ge 200 ]; then flush "$@"; set --; flag=$f; fi
    case $p in
        *\\*)
            q=$(printf '%b.' "$p"); q=${q%.}
            w='= '; tell_odd "$n" "$q"
            if [ "$f" = t ]; then touch -c -- "$q" 2>/dev/null; w='~ '; tell_odd "$n" "$q"; fi ;;
        *) set -- "$@" "$p" ;;
    esac
    n=$((n + 1))
done
flush "$@"
echo or end
"#;

/// A path to look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    /// The path; absolute.
    pub(crate) path: &'a Path,
    /// Whether it is touched too.
    pub(crate) touch: bool,
}

/// What the site said of a path that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Its size in bytes; nothing if the site cannot tell.
    pub(crate) size: Option<u64>,
    /// Its inode and times before it was touched; empty if the site cannot tell.
    pub(crate) stamp: String,
    /// The same afterwards.
    pub(crate) after: String,
}

/// Why the site's answer is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookError {
    /// The link.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The script did not come to its end.
    #[error("the site did not answer whether {files} files are there: {said}")]
    Cut {
        /// How many were asked for.
        files: usize,
        /// What it said instead.
        said: String,
    },
}

/// Looks at `questions` and touches those that ask for it; the answers come in their order,
/// nothing for a path that is not there.
pub(crate) async fn look(
    host: &Host,
    questions: &[Question<'_>],
) -> Result<Vec<Option<Seen>>, LookError> {
    let mut all = Vec::with_capacity(questions.len());
    for some in questions.chunks(LOOKED_AT) {
        let input = lines(some);
        let output = host.script_fed(LOOK, &[], Some(input.as_bytes())).await?;
        if !output.stdout.ends_with(b"or end\n") {
            return Err(LookError::Cut {
                files: some.len(),
                said: output.err().trim().to_owned(),
            });
        }
        all.extend(read(&output.stdout, some));
    }
    Ok(all)
}

fn lines(questions: &[Question<'_>]) -> String {
    let mut text = String::new();
    for question in questions {
        text.push_str(if question.touch { "t\t" } else { "l\t" });
        escape_b(question.path.as_os_str().as_bytes(), &mut text);
        text.push('\n');
    }
    text
}

fn read(stdout: &[u8], questions: &[Question<'_>]) -> Vec<Option<Seen>> {
    let mut before: HashMap<PathBuf, (Option<u64>, String)> = HashMap::new();
    let mut after: HashMap<PathBuf, String> = HashMap::new();
    for line in stdout.split(|byte| *byte == b'\n') {
        let Some((word, size, stamp, path)) = answer(line) else {
            continue;
        };
        if word == b"= " {
            before.insert(path, (size, stamp));
        } else {
            after.insert(path, stamp);
        }
    }
    let name = |(index, question): (usize, &Question<'_>)| {
        let mut odd = String::new();
        escape_b(question.path.as_os_str().as_bytes(), &mut odd);
        if odd.contains('\\') {
            PathBuf::from(format!("#{index}"))
        } else {
            question.path.to_owned()
        }
    };
    let seen = |name: PathBuf| {
        let (size, stamp) = before.get(&name)?.clone();
        let after = after.get(&name).unwrap_or(&stamp).clone();
        Some(Seen { size, stamp, after })
    };
    let names = questions.iter().enumerate().map(name);
    names.map(seen).collect()
}

/// One line `or = SIZE|INODE|MTIME|CTIME|PATH`.
fn answer(line: &[u8]) -> Option<(&[u8], Option<u64>, String, PathBuf)> {
    let (word, rest) = line.strip_prefix(b"or ")?.split_at_checked(2)?;
    if word != b"= " && word != b"~ " {
        return None;
    }
    let mut fields = rest.splitn(5, |byte| *byte == b'|');
    let mut text = || Some(std::str::from_utf8(fields.next()?).ok()?.to_owned());
    let (size, inode, written, changed) = (text()?, text()?, text()?, text()?);
    let path = PathBuf::from(OsStr::from_bytes(fields.next()?));
    let stamp = if inode == "-" {
        String::new()
    } else {
        format!("{inode}|{written}|{changed}")
    };
    Some((word, size.parse().ok(), stamp, path))
}

#[cfg(test)]
mod tests {
    use std::{fs, time::SystemTime};

    use super::*;

    fn ask(path: &Path, touch: bool) -> Question<'_> {
        Question { path, touch }
    }

    #[tokio::test]
    async fn any_name_is_found_and_what_is_not_there_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &[u8]| dir.path().join(OsStr::from_bytes(name));
        let names: [&[u8]; 6] = [b"plain", b"a b", b"it's", b"x\ny\\\xff", b"-n", b"a|b"];
        for (size, name) in names.iter().enumerate() {
            fs::write(path(name), "x".repeat(size)).unwrap();
        }
        let mut paths: Vec<PathBuf> = names.iter().map(|name| path(name)).collect();
        paths.insert(1, path(b"gone"));
        paths.push(path(b"gone\n"));
        for touch in [false, true] {
            let questions: Vec<_> = paths.iter().map(|path| ask(path, touch)).collect();
            let seen = look(&Host::local(), &questions).await.unwrap();
            let sizes: Vec<_> = seen
                .iter()
                .map(|one| one.as_ref().map(|s| s.size))
                .collect();
            let size = |size| Some(Some(size));
            assert_eq!(
                sizes,
                [
                    size(0),
                    None,
                    size(1),
                    size(2),
                    size(3),
                    size(4),
                    size(5),
                    None
                ]
            );
        }
    }

    #[tokio::test]
    async fn only_what_is_asked_for_is_touched_and_its_new_stamp_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let (old, other) = (dir.path().join("old"), dir.path().join("other"));
        for path in [&old, &other] {
            let file = fs::File::create(path).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        }
        let gone = dir.path().join("gone");
        let questions = [ask(&old, true), ask(&other, false), ask(&gone, true)];
        let first = look(&Host::local(), &questions).await.unwrap();
        let modified = |path| fs::metadata(path).unwrap().modified().unwrap();
        assert!(modified(&old) > SystemTime::UNIX_EPOCH);
        assert_eq!(modified(&other), SystemTime::UNIX_EPOCH);
        assert!(!gone.exists());

        let again = look(&Host::local(), &[ask(&old, false)]).await.unwrap();
        let [Some(touched), Some(untouched), None] = first.as_slice() else {
            panic!("{first:?}");
        };
        assert_ne!(touched.stamp, touched.after);
        assert_eq!(again[0].as_ref().unwrap().stamp, touched.after);
        assert_eq!(untouched.stamp, untouched.after);
    }

    #[tokio::test]
    async fn a_file_of_the_same_size_that_was_written_anew_has_another_stamp() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("flat");
        fs::write(&path, "one").unwrap();
        let first = look(&Host::local(), &[ask(&path, false)]).await.unwrap();
        fs::write(dir.path().join("new"), "two").unwrap();
        fs::rename(dir.path().join("new"), &path).unwrap();
        let second = look(&Host::local(), &[ask(&path, false)]).await.unwrap();
        assert_eq!(
            first[0].as_ref().unwrap().size,
            second[0].as_ref().unwrap().size
        );
        assert_ne!(
            first[0].as_ref().unwrap().stamp,
            second[0].as_ref().unwrap().stamp
        );
    }
}
