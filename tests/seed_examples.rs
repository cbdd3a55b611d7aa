//! The examples of the design document do what its text says (docs/language.md tells where the
//! later language reads them in another way).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed test says where"
)]

use std::{
    env, fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::{Command, Stdio},
};

/// A directory with programs and a scheduler that finds them.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        fs::create_dir(desk.path().join("bin")).unwrap();
        let pantasks = desk.path().join("bin/pantasks");
        symlink(env!("CARGO_BIN_EXE_outrigger"), pantasks).unwrap();
        desk
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// A program of that name.
    fn program(&self, name: &str, script: &str) {
        let path = self.path().join("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap()
    }

    /// Runs a script to its end; what it said on both streams.
    fn play(&self, script: &str) -> String {
        fs::write(self.path().join("script.pro"), script).unwrap();
        let mut path = vec![self.path().join("bin")];
        path.extend(env::split_paths(&env::var_os("PATH").unwrap()));
        let output = Command::new(self.path().join("bin/pantasks"))
            .args(["--norc", "script.pro"])
            .env("PATH", env::join_paths(path).unwrap())
            .current_dir(self.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
        said
    }
}

#[test]
fn copyfile_copies_each_file_that_is_next_and_waits_while_there_is_none() {
    let desk = Desk::new();
    for name in ["one", "two"] {
        fs::write(desk.path().join(name), name).unwrap();
    }
    fs::create_dir(desk.path().join("new")).unwrap();
    // Gives `one`, `gone`, `two`, and then nothing, as the text's `nextFile` does.
    desk.program(
        "nextFile",
        "n=$(cat count 2>/dev/null || echo 0); echo $((n + 1)) >count
         case $n in 0) echo one ;; 1) echo gone ;; 2) echo two ;; *) echo none ;; esac",
    );
    let example = include_str!("seeds/copyfile.pro");
    let said = desk.play(&format!(
        "$newpath = new
        {example}
        # a minute is long for a test, and one at a time keeps $file that of the job that ends
        task copyfile
          periods -exec 0.05 -poll 0.05 -timeout 60
          npending 1
        end
        task watch
          periods -exec 0.05
          task.exec
            queuesize copied -var good
            queuesize failure -var bad
            $tries = `cat count`
            if (($good == 2) && ($bad == 1) && ($tries > 4))
              queueprint copied
              queueprint failure
              exit
            end
            break
            command never
          end
        end
        queueinit copied
        queueinit failure
        exec echo 0 > count
        run"
    ));
    assert_eq!(said, "one\ntwo\ngone\n");
    assert_eq!(
        (desk.read("new/one"), desk.read("new/two")),
        ("one".into(), "two".into())
    );
}

#[test]
fn pcopy_copies_every_image_once_where_its_chip_belongs_and_tells_the_summit() {
    let desk = Desk::new();
    fs::write(
        desk.path().join("raw.list"),
        "a.fits 01 new\nb.fits 02 new\nc.fits 03 old\n",
    )
    .unwrap();
    desk.program("new.images", "cat newlist");
    desk.program("chip.host", "echo localhost");
    desk.program(
        "copy.image",
        "echo \"$1 on chip $2\" >>copied; echo \"$1 $2\"",
    );
    desk.program("mark.image", "echo \"$1\" >>marked");
    let example = include_str!("seeds/pcopy.pro");
    let said = desk.play(&format!(
        "{example}
        controller host add localhost
        task new.images
          periods -exec 0.2 -timeout 60
        end
        task copy.images
          periods -exec 0.05
        end
        exec touch marked
        task watch
          periods -exec 0.05
          task.exec
            list marked -file marked
            # more looks than images, so that a second copy of one would show
            if ($marked:n == 2)
              $looks ++
            end
            if ($looks > 10)
              queueprint newimages
              exit
            end
            break
            command never
          end
        end
        $looks = 0
        run"
    ));
    let mut copied: Vec<String> = desk.read("copied").lines().map(str::to_owned).collect();
    copied.sort_unstable();
    assert_eq!(copied, ["a.fits on chip 01", "b.fits on chip 02"], "{said}");
    for line in ["a.fits 01 copy", "b.fits 02 copy", "c.fits 03 old"] {
        assert!(said.lines().any(|said| said == line), "{line}: {said}");
    }
}
