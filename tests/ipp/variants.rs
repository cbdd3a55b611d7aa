//! What changes with the site, the camera and the data.

use std::{fs, ops::Range, process::Command};

use outrigger::state::run_dir::decision::Report;

use crate::{survey::Survey, tables::assert_table, world::World};

const E6: &str = "gpc1/demo/o6779g0006o.6/o6779g0006o.6";
const W6: &str = "gpc1/demo/o6779g0006o.6/o6779g0006o.6.wrp.6.skycell.1234.001";
const S1: &str = "gpc1/demo/RINGS.V3/skycell.1234.001/RINGS.V3.skycell.1234.001";

fn lines(text: &str, range: Range<usize>) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[range].join("\n")
}

#[test]
fn cam_is_camera() {
    let world = World::new();
    assert_eq!(world.loaded().recipe("cam").unwrap().recipe.stage, "camera");
}

#[test]
fn a_burntool_state_other_than_15_has_the_older_table() {
    let recipe = "stages/chip.yaml";
    let world = World::edited(&[(
        recipe,
        "burntool_state_good: \"15\"",
        "burntool_state_good: \"14\"",
    )]);
    let run = world.prepare("chip");
    let files = run.files(run.job(12, "XY12"), &world);
    assert!(files.contains("in    R3  gpc1/20140502/o6779g0004o/o6779g0004o.XY12.burn.tbl\n"));
    assert!(!files.contains("burn.v15.tbl"));
}

#[test]
fn a_file_name_stands_for_itself() {
    let archived = "path://ARCHIVE/noisemap.9/XY12.fits";
    let world = World::edited(&[("data/detrends.csv", archived, "file:///bin/sh")]);
    let run = world.prepare("chip");
    let noisemap = run
        .manifest
        .iter()
        .find(|line| line.remote.ends_with("tmp/bin/sh"));
    assert_eq!(noisemap.unwrap().local.as_deref(), Some("/bin/sh".as_ref()));
}

#[test]
fn an_exposure_without_a_raw_chip_fails_at_prepare_and_the_others_go_on() {
    let world = World::new();
    let raw = world
        .home()
        .join("home/gpc1/20140502/o6779g0005o/o6779g0005o.XY34.fits");
    fs::remove_file(&raw).unwrap();
    let run = world.prepare("chip");
    let reasons: Vec<_> = run
        .components
        .iter()
        .map(|c| c.outcome.clone().err())
        .collect();
    assert!(
        reasons[1].as_ref().unwrap().contains(raw.to_str().unwrap()),
        "{reasons:?}"
    );
    assert_eq!((&reasons[0], &reasons[2]), (&None, &None));
    assert_eq!(run.jobs.len(), 6);
}

#[test]
fn warps_that_stay_on_the_site_are_kept_there_and_stack_needs_them_there() {
    let config = "outrigger.yaml";
    let keep = "transfer_warp_images: \"false\"";
    let world = World::edited(&[(config, "transfer_warp_images: \"true\"", keep)]);
    world.run("chip");
    world.run("camera");
    let warps = world.run("warp");
    let files = warps.files(warps.job(6, "skycell.1234.001"), &world);
    let images = lines(&files, 13..16);
    assert_table(
        &images,
        &[('W', W6)],
        "
        keep      W.fits
        keep      W.mask.fits
        keep      W.wt.fits
    ",
    );

    // A warp that was purged to nothing, as a full disk leaves it.
    fs::write(world.scratch().join(format!("{W6}.mask.fits")), "").unwrap();
    let stacks = world.run("stack");
    let job = stacks.job(61, "");
    let files = stacks.files(job, &world);
    let inputs = lines(&files, 0..6);
    assert_table(
        &inputs,
        &[('W', W6)],
        "
        there     W.fits
        there     W.wt.fits
        there     W.mask.fits
        there     W.cmf
        there     W.psf
        in        site/dbinfo.awk
    ",
    );
    let record = &stacks.journal.jobs[&job.seq];
    assert_eq!(record.end.as_ref().unwrap().exit_code, 1);
    let missing = format!("missing: {}/{W6}.mask.fits", world.scratch().display());
    assert!(record.message.contains(&missing), "{}", record.message);
    assert_eq!((stacks.counts.passed, stacks.counts.failed), (3, 1));
}

#[test]
fn stack_falls_back_on_the_warps_that_were_sent() {
    let world = World::new();
    for stage in ["chip", "camera", "warp"] {
        world.run(stage);
    }
    let lost = world.scratch().join(format!("{W6}.fits"));
    fs::remove_file(&lost).unwrap();
    let stacks = world.run("stack");
    assert_eq!((stacks.counts.passed, stacks.counts.failed), (4, 0));
    let inputs = fs::read_to_string(world.scratch().join(format!("{S1}.stk.61.in.mdc"))).unwrap();
    let landing = format!(
        "{}/tmp{}/home/{W6}.fits\n",
        world.scratch().display(),
        world.home().display()
    );
    assert!(inputs.contains(&landing), "{inputs}");
    // The same bytes, so the same stack.
    let stack = format!("{S1}.stk.61.unconv.fits");
    let made = fs::read_to_string(world.scratch().join(&stack)).unwrap();
    assert_eq!(made, Survey::get().scratch[&stack]);
}

#[test]
fn the_record_of_old_is_a_command_line_of_an_allowed_program_with_allowed_options() {
    let world = World::edited(&[("outrigger.yaml", "stages: stages/", "stages: legacy/")]);
    let run = world.run("chip");
    assert_eq!(run.decision.report, Report::Legacy);
    assert_eq!(run.counts.passed, 9);
    assert_eq!(world.rows("chipAdded").len(), 9);

    let job = run.job(14, "XY34");
    assert_table(
        &run.files(job, &world),
        &[('E', E6)],
        "
        in    R3  gpc1/20140502/o6779g0006o/o6779g0006o.XY34.fits
        in    R3  gpc1/20140502/o6779g0006o/o6779g0006o.XY34.burn.v15.tbl
        in    R3  gpc1/detrends/mask.1/XY34.fits
        in    R3  gpc1/detrends/flat.8.y/any.fits
        in    R3  gpc1/detrends/videodark.4/XY34.fits
        in    R3  gpc1/detrends/linearity.11/gpc1.fits
        in    R3  archive/noisemap.9/XY34.fits
        in    R3  gpc1/detrends/fringe.10.y/XY34.fits
        out   R1  E.ch.14.XY34.dbinfo
        out   R1  E.ch.14.XY34.stats
        out   R1  E.ch.14.XY34.log
        out   R1  E.ch.14.XY34.mdl.fits
        out?  R1  E.ch.14.XY34.ptn
        keep      E.ch.14.XY34.ch.fits
        keep      E.ch.14.XY34.ch.mk.fits
        keep      E.ch.14.XY34.ch.wt.fits
        keep      E.ch.14.XY34.cmf
    ",
    );
    let text = &run.journal.jobs[&job.seq].record;
    assert_eq!(text.lines().count(), 1);
    let words = shlex::split(text).unwrap();
    let known = "chiptool -addprocessedimfile -exp_id 6 -chip_id 14 -class_id XY34 \
        -uri neb://h01.0/gpc1/demo/o6779g0006o.6/o6779g0006o.6.ch.14.XY34.ch.fits \
        -path_base neb://h01.0/gpc1/demo/o6779g0006o.6/o6779g0006o.6.ch.14 \
        -magicked 0 -hostname HERE/demo -dtime_script 0 -dbname gpc1 -quality 0";
    assert_eq!(words[..22].join(" "), known);

    let allowed = &world.loaded().config.legacy_dbinfo[&words[0]];
    let is_option = |word: &&String| {
        word.strip_prefix('-')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_alphabetic()))
    };
    for option in words.iter().filter(is_option) {
        assert!(allowed.options.contains(option), "{option}");
    }
    let calls = world.home().join("chiptool.calls");
    let mut chiptool = Command::new(world.home().join(&allowed.path));
    let status = chiptool
        .args(&words[1..])
        .env("CHIPTOOL_RECORD", &calls)
        .status();
    assert!(status.unwrap().success());
    assert_eq!(
        fs::read_to_string(&calls).unwrap(),
        format!("{}\n", words[1..].join(" "))
    );
}
