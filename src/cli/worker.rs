//! `outrigger worker`: what runs jobs inside an allocation.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    exit::{CliError, Exit},
    table::{print, print_json},
};
use crate::worker::{
    AllocationArgs, Frame, ProcessArgs, coordinate_main, run_main, said, serve_main,
};

/// Run jobs inside an allocation, and see what they said.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  outrigger worker log runs/remote.17 5   what job 5 said")]
pub(super) enum WorkerCommand {
    /// Run the jobs of a run on this node; its batch script calls this once on each.
    #[command(after_help = "Example:
  outrigger worker run --cores 24 --walltime 8h --tries 3 /scratch/outrigger/chip.17")]
    Run(AllocationArgs),
    /// Print what jobs said: the beginning and the end of their output, and how much it was.
    Log(LogArgs),
    /// The coordinator of an allocation (called by `run`).
    #[command(hide = true)]
    Coordinate(ProcessArgs),
    /// The worker of a node (called by `run`).
    #[command(hide = true)]
    Serve(ProcessArgs),
}

/// Which output to print.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  outrigger worker log /scratch/outrigger/chip.17      all jobs
  outrigger worker log /scratch/outrigger/chip.17 5    each attempt of job 5")]
pub(super) struct LogArgs {
    /// The run's directory on the site.
    run_dir: PathBuf,
    /// The job's number; all jobs if absent.
    job: Option<u64>,
    /// JSON on stdout; bytes that are not UTF-8 are replaced.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &WorkerCommand) -> ExitCode {
    match command {
        WorkerCommand::Run(arguments) => run_main(arguments),
        WorkerCommand::Coordinate(arguments) => coordinate_main(arguments),
        WorkerCommand::Serve(arguments) => serve_main(arguments),
        WorkerCommand::Log(arguments) => super::end(log(arguments)),
    }
}

fn log(arguments: &LogArgs) -> Result<Exit, CliError> {
    let mut found = Vec::new();
    let mut printed = Ok(());
    let mut count = 0_u64;
    let read = said(&arguments.run_dir, |node, frame| {
        if arguments.job.is_some_and(|job| job != frame.seq) || printed.is_err() {
            return;
        }
        count += 1;
        if arguments.json {
            found.push(as_json(node, &frame));
        } else {
            printed = print(&text(node, &frame));
        }
    });
    read.map_err(|error| CliError::Failed(error.to_string()))?;
    printed?;
    if arguments.json {
        print_json("output", found)?;
    } else if count == 0 {
        super::table::note(&match arguments.job {
            Some(job) => format!("job {job} said nothing"),
            None => "no job said anything".to_owned(),
        });
    }
    Ok(Exit::Done)
}

fn text(node: &str, frame: &Frame) -> String {
    let Frame {
        seq,
        attempt,
        exit_code,
        total,
        ..
    } = frame;
    let mut text = format!(
        "== job {seq}, attempt {attempt} on {node}: exit code {exit_code}, {total} bytes\n"
    );
    text.push_str(&String::from_utf8_lossy(&frame.head));
    if frame.missing() > 0 {
        text.push_str("\n== ");
        text.push_str(&frame.missing().to_string());
        text.push_str(" bytes were not kept\n");
    }
    text.push_str(&String::from_utf8_lossy(&frame.tail));
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

fn as_json(node: &str, frame: &Frame) -> serde_json::Value {
    json!({
        "job": frame.seq,
        "attempt": frame.attempt,
        "node": node,
        "exit_code": frame.exit_code,
        "bytes": frame.total,
        "head": String::from_utf8_lossy(&frame.head),
        "tail": String::from_utf8_lossy(&frame.tail),
    })
}
