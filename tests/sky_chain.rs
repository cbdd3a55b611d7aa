//! The survey's science with the programs that the binary carries: frames to stack.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

use std::{fs, path::Path};

use clap::Parser;
use outrigger::sky::{self, SkyCommand};
use serde_json::Value;

#[derive(Debug, Parser)]
struct Sky {
    #[command(subcommand)]
    command: SkyCommand,
}

/// Runs `outrigger sky` with the words of `line`, in which `@` stands for the directory.
fn run(dir: &Path, line: &str) {
    let line = line.replace('@', dir.to_str().unwrap());
    let words = ["sky"].into_iter().chain(line.split_whitespace());
    sky::run(Sky::try_parse_from(words).unwrap().command).unwrap_or_else(|error| {
        panic!("sky {line}: {error}");
    });
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Columns `dx` and `dy` of the rows of `pointing.csv`.
fn pointing(dir: &Path) -> Vec<(f64, f64)> {
    csv::Reader::from_path(dir.join("raw/pointing.csv"))
        .unwrap()
        .records()
        .map(|row| row.unwrap())
        .map(|row| (row[1].parse().unwrap(), row[2].parse().unwrap()))
        .collect()
}

const GRID: &str = "--centre 150,2 --scale 0.25 --size 512";
const CHIPS: [&str; 4] = ["XY00", "XY01", "XY10", "XY11"];

fn base() -> String {
    format!(
        "{}/examples/survey/data/image.fits",
        env!("CARGO_MANIFEST_DIR")
    )
}

/// Takes each exposure through chip, camera and warp; gives what camera found.
fn to_warps(dir: &Path, exposures: usize) -> Vec<Value> {
    (1..=exposures)
        .map(|exposure| {
            let frames: Vec<String> = (CHIPS.iter())
                .map(|chip| format!("@/raw/e{exposure:04}.{chip}"))
                .collect();
            let fits: Vec<String> = frames.iter().map(|f| format!("{f}.fits")).collect();
            let cats: Vec<String> = frames.iter().map(|f| format!("{f}.cat")).collect();
            for frame in &frames {
                run(dir, &format!("detect {frame}.fits -o {frame}.cat"));
            }
            let (fits, cats) = (fits.join(" "), cats.join(" "));
            let solution = format!("camera{exposure}.json");
            run(
                dir,
                &format!(
                    "fit --catalogs {cats} --frames {fits} --reference @/raw/reference.csv \
                     -o @/{solution}"
                ),
            );
            let solution = json(&dir.join(solution));
            let (dx, dy, zp) = (&solution["dx"], &solution["dy"], &solution["zp"]);
            for frame in &frames {
                run(
                    dir,
                    &format!("head {frame}.fits --dx={dx} --dy={dy} --zp={zp} -o {frame}.head"),
                );
                run(
                    dir,
                    &format!("warp {frame}.fits --head {frame}.head {GRID} -o {frame}.warp.fits"),
                );
            }
            solution
        })
        .collect()
}

#[test]
fn the_planted_stars_come_back_where_they_were_planted() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let exposures = 3;
    run(
        dir,
        &format!(
            "frames --base {} --out @/raw --exposures {exposures}",
            base()
        ),
    );
    let solutions = to_warps(dir, exposures);
    for (solution, (dx, dy)) in solutions.iter().zip(pointing(dir)) {
        let off =
            (solution["dx"].as_f64().unwrap() - dx).hypot(solution["dy"].as_f64().unwrap() - dy);
        assert!(off < 0.1, "{off} pixels from the true pointing: {solution}");
        assert!(solution["n_matched"].as_u64().unwrap() >= 20, "{solution}");
    }

    let warps: Vec<String> = (1..=exposures)
        .flat_map(|e| CHIPS.map(|chip| format!("@/raw/e{e:04}.{chip}.warp.fits")))
        .collect();
    let warps = warps.join(" ");
    run(
        dir,
        &format!("coadd {warps} {GRID} -o @/stack.fits --weight @/weight.fits"),
    );
    run(
        dir,
        "detect @/stack.fits --weight @/weight.fits -o @/stack.cat",
    );
    run(
        dir,
        "check --catalog @/stack.cat --truth @/raw/truth.csv --bright 17 --json @/check.json",
    );
    let check = json(&dir.join("check.json"));
    assert!(
        check["bright_completeness"].as_f64().unwrap() > 0.95,
        "{check}"
    );
    assert!(
        check["bright_rms_pixels"].as_f64().unwrap() < 0.15,
        "{check}"
    );
    assert!(
        check["magnitude_offset"].as_f64().unwrap().abs() < 0.05,
        "{check}"
    );

    run(
        dir,
        "stats --image @/stack.fits --catalog @/stack.cat -o @/stats.json",
    );
    assert!(json(&dir.join("stats.json"))["depth"].as_f64().unwrap() > 18.0);
    run(dir, "png @/stack.fits -o @/stack.png");
    assert!(
        fs::read(dir.join("stack.png"))
            .unwrap()
            .starts_with(b"\x89PNG")
    );
}

#[test]
fn without_the_fitted_offset_the_stars_are_missed() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    run(
        dir,
        &format!("frames --base {} --out @/raw --exposures 1", base()),
    );
    run(dir, "detect @/raw/e0001.XY00.fits -o @/a.cat");
    run(
        dir,
        "check --catalog @/a.cat --truth @/raw/truth.csv --json @/check.json",
    );
    assert_eq!(json(&dir.join("check.json"))["found"], 0);
}

#[test]
fn one_seed_makes_one_survey() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let frame = |out: &str, seed: u64| {
        let base = base();
        run(
            dir,
            &format!("frames --base {base} --out @/{out} --exposures 1 --chips 1 --seed {seed}"),
        );
        fs::read(dir.join(out).join("e0001.XY00.fits")).unwrap()
    };
    let first = frame("a", 5);
    assert_eq!(first, frame("b", 5));
    assert_ne!(first, frame("c", 6));
}
