//! Rows that a command prints.

use std::{
    io::{BufReader, Read},
    process::{Command, Stdio},
};

use super::{
    Ask, SourceError, Visit,
    lines::{self, Stop},
};
use crate::prepare::PrepareError;

/// As much of a failed command's standard error as is shown, in bytes.
const SHOWN: usize = 2000;

/// Runs the command without a shell and calls `visit` with each row it prints.
pub(super) fn each(ask: &Ask<'_>, argv: &[String], visit: Visit<'_>) -> Result<(), PrepareError> {
    let wrong = |message: String| SourceError::Command {
        command: argv.join(" "),
        message,
    };
    let mut context = tera::Context::new();
    context.insert("label", ask.label);
    context.insert("stage", ask.stage);
    let words = argv
        .iter()
        .map(|template| tera::Tera::one_off(template, &context, false))
        .collect::<Result<Vec<String>, _>>()
        .map_err(|e| wrong(e.to_string()))?;
    let (program, arguments) = words
        .split_first()
        .ok_or_else(|| wrong("names no program".into()))?;
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(ask.dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| wrong(format!("cannot be started: {e}")))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (read, complaint) = std::thread::scope(|scope| {
        let drain = scope.spawn(move || drain(stderr));
        let read = stdout.map_or(Ok(()), |out| lines::any(BufReader::new(out), visit));
        if read.is_err() {
            // It may be blocked on a pipe that nobody reads any more; its exit does not matter.
            drop(child.kill());
        }
        (read, drain.join().unwrap_or_default())
    });
    let status = child.wait().map_err(|e| wrong(e.to_string()))?;
    match read {
        Err(Stop::Visitor(error)) => Err(error),
        Err(Stop::Text(message)) => Err(wrong(format!("its output: {message}")).into()),
        Ok(()) if status.success() => Ok(()),
        Ok(()) => Err(wrong(format!("{status}: {}", complaint.trim())).into()),
    }
}

/// Reads all, so that the writer never blocks, and keeps the end.
fn drain(stream: Option<impl Read>) -> String {
    let mut kept = Vec::new();
    let mut piece = [0; 4096];
    if let Some(mut stream) = stream {
        while let Ok(count @ 1..) = stream.read(&mut piece) {
            kept.extend_from_slice(piece.get(..count).unwrap_or_default());
            if kept.len() > 2 * SHOWN {
                kept.drain(..kept.len() - SHOWN);
            }
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rusqlite::Connection;

    use super::*;
    use crate::config::recipe::Source;

    fn rows(argv: &[&str]) -> Result<String, String> {
        let source = Source::Command(argv.iter().map(|&word| word.to_owned()).collect());
        let ask = Ask {
            source: &source,
            dir: Path::new("/"),
            stage: "chip",
            label: "a b",
        };
        let mut found = Vec::new();
        let reader = Connection::open_in_memory().unwrap();
        ask.each(&reader, None, &mut |_, row| {
            found.push(serde_json::to_string(&row).unwrap());
            Ok(())
        })
        .map_err(|e| e.to_string())?;
        Ok(found.join(" "))
    }

    #[test]
    fn each_template_is_one_argument() {
        let found = rows(&[
            "/usr/bin/printf",
            "{\"n\": \"%s\"}\\n",
            "{{ label }}",
            "{{ stage }}",
        ]);
        assert_eq!(found.unwrap(), r#"{"n":"a b"} {"n":"chip"}"#);
    }

    #[test]
    fn failures_are_told_with_the_command() {
        insta::assert_snapshot!(rows(&["sh", "-c", "echo '{}'; echo oops >&2; exit 3"]).unwrap_err(), @"command `sh -c echo '{}'; echo oops >&2; exit 3`: exit status: 3: oops");
        insta::assert_snapshot!(rows(&["/nowhere"]).unwrap_err(), @"command `/nowhere`: cannot be started: No such file or directory (os error 2)");
        assert!(
            rows(&["yes", "{"])
                .unwrap_err()
                .contains("line 1: not a JSON object")
        );
    }
}
