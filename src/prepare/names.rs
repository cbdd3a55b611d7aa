//! How file names of a URI scheme turn into paths: rules R1–R3 (spec/remote.md §3).

use std::{
    collections::BTreeMap,
    ffi::OsString,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::config::site::NameScheme;

/// The naming rules of a site and of this host.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    schemes: BTreeMap<String, NameScheme>,
    home: PathBuf,
    root: String,
}

impl Names {
    /// `home` is the directory of outrigger.yaml, `root` the site's scratch.
    pub(crate) fn new(schemes: BTreeMap<String, NameScheme>, home: PathBuf, root: String) -> Self {
        Self {
            schemes,
            home,
            root,
        }
    }

    /// The path here of a URI or path; a relative path is relative to outrigger.yaml.
    pub(crate) fn local(&self, name: &str) -> Result<PathBuf, String> {
        let Some((scheme, rest)) = name.split_once("://") else {
            return Ok(self.home.join(name));
        };
        if scheme == "file" {
            let path = rest.find('/').and_then(|at| rest.get(at..));
            return path
                .map(PathBuf::from)
                .ok_or_else(|| format!("`{name}` should be `file:///path`"));
        }
        let rules = self.schemes.get(scheme).ok_or_else(|| {
            format!("`{name}`: the scheme `{scheme}` is not configured; add `names.{scheme}` to outrigger.yaml")
        })?;
        let (authority, key) = rest.split_once('/').unwrap_or((rest, ""));
        if let Some(dir) = rules.sites.get(authority) {
            return Ok(self.home.join(dir).join(key));
        }
        match (&rules.root, &rules.locate) {
            (Some(root), _) => Ok(self.home.join(root).join(key)),
            (None, Some(argv)) => locate(argv, name),
            (None, None) => Err(format!(
                "`{name}`: `names.{scheme}` has no site `{authority}`, and neither `root` nor `locate`"
            )),
        }
    }

    /// R1: everything through the third slash gives way to the site's scratch.
    pub(crate) fn remote(&self, name: &str) -> Result<String, String> {
        name.split_once("://")
            .and_then(|(_, rest)| rest.split_once('/'))
            .map(|(_, key)| format!("{}/{key}", self.root))
            .ok_or_else(|| format!("`{name}` is not a URI such as neb://host.vol/key"))
    }

    /// R2: the name as the storage layer writes it on disk, `<number>.<key with ':' for '/'>`.
    pub(crate) fn disk_to_site(&self, name: &str) -> Result<String, String> {
        let path = self.local(name)?;
        let base = path
            .file_name()
            .and_then(|base| base.to_str())
            .ok_or_else(|| format!("`{name}` is `{}`, which has no name", path.display()))?;
        let key = base
            .trim_start_matches(|c: char| c.is_ascii_digit())
            .strip_prefix('.')
            .filter(|_| base.starts_with(|c: char| c.is_ascii_digit()))
            .unwrap_or(base);
        Ok(format!("{}/{}", self.root, key.replace(':', "/")))
    }

    /// R3: the whole local path below the site's `tmp`.
    pub(crate) fn raw(&self, name: &str) -> Result<String, String> {
        let path = self.local(name)?;
        let text = path
            .to_str()
            .ok_or_else(|| format!("`{}` is not UTF-8", path.display()))?;
        Ok(format!("{}/tmp{text}", self.root))
    }
}

/// Asks a program for the disk path of a name.
fn locate(argv: &[String], name: &str) -> Result<PathBuf, String> {
    let (program, arguments) = argv.split_first().ok_or("`locate` names no program")?;
    let output = Command::new(program)
        .args(arguments)
        .arg(name)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("`{program}` cannot be started to locate `{name}`: {e}"))?;
    let said = output.stdout.split(|b| *b == b'\n').next().unwrap_or(&[]);
    if output.status.success() && !said.is_empty() {
        return Ok(PathBuf::from(OsString::from_vec(said.to_vec())));
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "`{program}` does not know `{name}` ({}) {}",
        output.status,
        complaint.trim()
    ))
}

/// A path on the site: below `root` if relative, cleaned of `.` and doubled slashes.
///
/// # Errors
/// When it is empty, has `..`, NUL, or a part that no file system takes.
pub(crate) fn site_path(root: &str, path: &str) -> Result<String, String> {
    if path.is_empty() {
        return Err("the path is empty".into());
    }
    if path.contains('\0') {
        return Err(format!("`{}` holds a NUL", path.escape_debug()));
    }
    let mut clean = String::with_capacity(root.len() + path.len() + 1);
    if !path.starts_with('/') {
        clean.push_str(root.trim_end_matches('/'));
    }
    for part in path.split('/') {
        match part {
            "" | "." => {},
            ".." => return Err(format!("`{path}` has a `..`")),
            part if part.len() > 255 => {
                return Err(format!("`{path}` has a name longer than 255 bytes"));
            },
            part => {
                clean.push('/');
                clean.push_str(part);
            },
        }
    }
    if clean.len() > 4095 {
        return Err(format!("`{path}` is longer than 4095 bytes"));
    }
    Ok(clean)
}

/// Whether a cleaned path lies below `root`.
pub(crate) fn is_below(root: &str, path: &str) -> bool {
    Path::new(path).starts_with(root) && path.len() > root.len()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn names() -> Names {
        let neb = NameScheme {
            root: Some("/data/neb".into()),
            sites: BTreeMap::new(),
            locate: None,
        };
        let path = NameScheme {
            root: None,
            sites: BTreeMap::from([("ARCHIVE".into(), "/data/archive".into())]),
            locate: None,
        };
        let find = NameScheme {
            root: None,
            sites: BTreeMap::new(),
            locate: Some(vec![
                "/bin/sh".into(),
                "-c".into(),
                "echo /d/17.a:b.fits".into(),
            ]),
        };
        let lost = NameScheme {
            root: None,
            sites: BTreeMap::new(),
            locate: Some(vec!["/bin/false".into()]),
        };
        let schemes = [("neb", neb), ("path", path), ("find", find), ("lost", lost)];
        let schemes = schemes.map(|(name, scheme)| (name.to_owned(), scheme));
        Names::new(schemes.into(), "/home/survey".into(), "/scratch".into())
    }

    #[rstest]
    #[case("neb://h01.0/a/b.fits", "/data/neb/a/b.fits")]
    #[case("neb:///a/b.fits", "/data/neb/a/b.fits")]
    #[case("path://ARCHIVE/x/y", "/data/archive/x/y")]
    #[case("find://h/a/b.fits", "/d/17.a:b.fits")]
    #[case("file:///a b/c", "/a b/c")]
    #[case("/a/b", "/a/b")]
    #[case("raw/x.fits", "/home/survey/raw/x.fits")]
    fn names_resolve_to_disk_paths(#[case] name: &str, #[case] path: &str) {
        assert_eq!(names().local(name).unwrap(), Path::new(path));
    }

    #[test]
    fn the_three_rules() {
        let names = names();
        assert_eq!(
            names.remote("neb://h01.0/a/b.fits").unwrap(),
            "/scratch/a/b.fits"
        );
        assert_eq!(names.remote("neb:///a").unwrap(), "/scratch/a");
        assert_eq!(
            names.disk_to_site("find://h/a/b.fits").unwrap(),
            "/scratch/a/b.fits"
        );
        assert_eq!(
            names.disk_to_site("/d/12x.fits").unwrap(),
            "/scratch/12x.fits"
        );
        assert_eq!(
            names.raw("path://ARCHIVE/x").unwrap(),
            "/scratch/tmp/data/archive/x"
        );
    }

    #[rstest]
    #[case("gopher://x/y", "add `names.gopher` to outrigger.yaml")]
    #[case("path://ELSEWHERE/x", "has no site `ELSEWHERE`")]
    #[case("lost://h/k", "`/bin/false` does not know `lost://h/k`")]
    #[case("file://x", "should be `file:///path`")]
    fn unknown_names_say_what_to_do(#[case] name: &str, #[case] part: &str) {
        let error = names().local(name).unwrap_err();
        assert!(error.contains(part), "{error}");
    }

    #[rstest]
    #[case("neb:/a/b")]
    #[case("/a/b/c/d")]
    fn r1_wants_a_uri(#[case] name: &str) {
        assert!(names().remote(name).is_err());
    }

    #[rstest]
    #[case("a//b/./c", Ok("/s/a/b/c"))]
    #[case("/x/y/", Ok("/x/y"))]
    #[case("a/../b", Err("`a/../b` has a `..`"))]
    #[case("", Err("the path is empty"))]
    #[case("a\0b", Err("`a\\0b` holds a NUL"))]
    fn site_paths_are_cleaned(#[case] path: &str, #[case] clean: Result<&str, &str>) {
        let found = site_path("/s", path);
        assert_eq!(found.as_deref().map_err(String::as_str), clean);
    }

    #[test]
    fn a_sibling_with_the_same_start_is_not_below() {
        assert!(is_below("/s/or", "/s/or/x"));
        assert!(!is_below("/s/or", "/s/orx"));
        assert!(!is_below("/s/or", "/s/or"));
    }
}
