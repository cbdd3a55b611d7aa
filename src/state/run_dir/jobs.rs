//! `jobs.tsv`: one line a job.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use super::tsv::{self, Field, TsvError};

/// First line of the file.
pub const HEADER: &str = "seq\tcomponent\tstage_id\tkey\tthreads\tseconds\tmemory\toffset\tlength\tinputs\tvalues\tfailures\n";

/// One job of a run, as prepare decided it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobLine {
    /// Its number within the run, from 0.
    pub seq: u64,
    /// Its component's number in state.db.
    pub component_id: i64,
    /// Its component's `stage_id`.
    pub stage_id: i64,
    /// What tells it apart within its component.
    pub key: String,
    /// Cores it uses.
    pub threads: u32,
    /// Seconds it is expected to take.
    pub seconds: u64,
    /// Bytes of memory it needs.
    pub memory: Option<u64>,
    /// Where its shell functions begin in `commands.sh`, in bytes.
    pub offset: u64,
    /// Length of its shell functions in bytes.
    pub length: u64,
    /// Lines of the manifest that it reads, by id.
    pub inputs: Vec<u64>,
    /// Values of its dbinfo record that were known beforehand: a JSON object.
    pub values: String,
    /// How many of its tries in earlier runs have failed.
    pub failures: u32,
}

impl JobLine {
    /// Writes the line.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        write!(
            out,
            "{}\t{}\t{}\t{}\t{}\t{}\t",
            self.seq,
            self.component_id,
            self.stage_id,
            Field(self.key.as_bytes()),
            self.threads,
            self.seconds
        )?;
        match self.memory {
            Some(memory) => write!(out, "{memory}")?,
            None => out.write_all(b"-")?,
        }
        write!(out, "\t{}\t{}\t", self.offset, self.length)?;
        for (place, id) in self.inputs.iter().enumerate() {
            if place > 0 {
                out.write_all(b",")?;
            }
            write!(out, "{id}")?;
        }
        writeln!(
            out,
            "\t{}\t{}",
            Field(self.values.as_bytes()),
            self.failures
        )
    }

    /// Reads a line; `number` is for the error, from 1. One without its last field is of an older
    /// prepare.
    pub fn read(number: usize, line: &str) -> Result<Self, TsvError> {
        let older = line.matches('\t').count() == 10;
        let whole = if older {
            Cow::Owned(format!("{line}\t0"))
        } else {
            Cow::Borrowed(line)
        };
        let [
            seq,
            component,
            stage_id,
            key,
            threads,
            seconds,
            memory,
            offset,
            length,
            inputs,
            values,
            failures,
        ] = tsv::fields(number, &whole)?;
        let inputs = inputs
            .split(',')
            .filter(|id| !id.is_empty())
            .map(|id| tsv::parse(number, "input", id))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            seq: tsv::parse(number, "seq", seq)?,
            component_id: tsv::parse(number, "component", component)?,
            stage_id: tsv::parse(number, "stage_id", stage_id)?,
            key: tsv::text(number, "key", key)?,
            threads: tsv::parse(number, "threads", threads)?,
            seconds: tsv::parse(number, "seconds", seconds)?,
            memory: tsv::optional(number, "memory", memory)?,
            offset: tsv::parse(number, "offset", offset)?,
            length: tsv::parse(number, "length", length)?,
            inputs,
            values: tsv::text(number, "values", values)?,
            failures: tsv::parse(number, "failures", failures)?,
        })
    }
}

/// Reads a whole `jobs.tsv`.
pub fn read(text: &str) -> Result<Vec<JobLine>, TsvError> {
    let lines = text.lines().enumerate().skip(1);
    lines
        .map(|(index, line)| JobLine::read(index + 1, line))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_reads_back_as_written() {
        let job = JobLine {
            seq: 7,
            component_id: 3,
            stage_id: -1,
            key: "XY\t34".into(),
            threads: 4,
            seconds: 150,
            memory: None,
            offset: 4096,
            length: 812,
            inputs: vec![0, 9],
            values: "{\"note\":\"a\\nb\"}".into(),
            failures: 2,
        };
        let mut text = HEADER.as_bytes().to_vec();
        job.write(&mut text).unwrap();
        let text = std::str::from_utf8(&text).unwrap();
        assert_eq!(read(text).unwrap(), std::slice::from_ref(&job));
        let older = text.replace("\t2\n", "\n");
        assert_eq!(read(&older).unwrap(), [JobLine { failures: 0, ..job }]);
    }
}
