//! The files of each stage, line by line as the specification lists them.
//!
//! A line is kind, rule and name. `in` goes to the site, `there` must be on it, `out` comes home,
//! `out?` only if it was written, `keep` stays on the site. Rule R1: below scratch by its key; R3:
//! below `tmp/` by its path here. In names `E` is the exposure's root, `S` the skycell's.

use crate::survey::Survey;

/// Compares the files of a job with a table; `letters` stand for the starts of names.
fn has(stage: &'static str, stage_id: i64, key: &str, letters: &[(char, &str)], table: &str) {
    let key = if key.is_empty() { stage } else { key };
    let found = &Survey::get().files[&(stage, stage_id, key.to_owned())];
    assert_table(found, letters, table);
}

pub(crate) fn assert_table(found: &str, letters: &[(char, &str)], table: &str) {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let short = |line: &str| {
        let mut line = words(line);
        for (letter, start) in letters {
            line = line.replace(&format!(" {start}."), &format!(" {letter}."));
        }
        line
    };
    let found: Vec<String> = found.lines().map(short).collect();
    let table: Vec<String> = table.trim().lines().map(words).collect();
    assert_eq!(found, table);
}

const E4: &str = "gpc1/demo/o6779g0004o.4/o6779g0004o.4";
const E6: &str = "gpc1/demo/o6779g0006o.6/o6779g0006o.6";
const S1: &str = "gpc1/demo/RINGS.V3/skycell.1234.001/RINGS.V3.skycell.1234.001";

#[test]
fn chip_reads_the_raw_chip_its_burntool_table_and_its_detrends() {
    has(
        "chip",
        12,
        "XY12",
        &[('E', E4)],
        "
        in    R3  gpc1/20140502/o6779g0004o/o6779g0004o.XY12.fits
        in    R3  gpc1/20140502/o6779g0004o/o6779g0004o.XY12.burn.v15.tbl
        in    R3  gpc1/detrends/mask.1/XY12.fits
        in    R3  gpc1/detrends/flat.6.r/XY12.fits
        in    R3  gpc1/detrends/dark.3/XY12.fits
        in    R3  gpc1/detrends/linearity.11/gpc1.fits
        in    R3  archive/noisemap.9/XY12.fits
        in        site/dbinfo.awk
        out   R1  E.ch.12.XY12.dbinfo
        out   R1  E.ch.12.XY12.stats
        out   R1  E.ch.12.XY12.log
        out   R1  E.ch.12.XY12.mdl.fits
        out?  R1  E.ch.12.XY12.ptn
        keep      E.ch.12.XY12.ch.fits
        keep      E.ch.12.XY12.ch.mk.fits
        keep      E.ch.12.XY12.ch.wt.fits
        keep      E.ch.12.XY12.cmf
    ",
    );
}

#[test]
fn a_chip_with_video_cells_in_y_has_the_videodark_and_a_fringe_and_the_flat_for_any_chip() {
    has(
        "chip",
        14,
        "XY34",
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
        in        site/dbinfo.awk
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
}

#[test]
fn camera_finds_the_chips_on_the_site_and_returns_a_mask_for_each() {
    has(
        "camera",
        4,
        "",
        &[('E', E4)],
        "
        there     E.ch.12.XY12.cmf
        there     E.ch.12.XY34.cmf
        there     E.ch.12.XY56.cmf
        there     E.ch.12.XY12.ch.mk.fits
        there     E.ch.12.XY34.ch.mk.fits
        there     E.ch.12.XY56.ch.mk.fits
        in        site/dbinfo.awk
        out   R1  E.cm.4.dbinfo
        out   R1  E.cm.4.psastro.mdc
        out   R1  E.cm.4.smf
        out   R1  E.cm.4.log
        out   R1  E.cm.4.stats
        out   R1  E.cm.4.XY12.mk.fits
        out   R1  E.cm.4.XY34.mk.fits
        out   R1  E.cm.4.XY56.mk.fits
    ",
    );
}

#[test]
fn warp_finds_the_chips_that_overlap_and_returns_its_images_where_the_site_says_so() {
    has(
        "warp",
        4,
        "skycell.1234.001",
        &[('E', E4)],
        "
        there     E.ch.12.XY12.ch.fits
        there     E.ch.12.XY34.ch.fits
        there     E.cm.4.XY12.mk.fits
        there     E.cm.4.XY34.mk.fits
        there     E.ch.12.XY12.ch.wt.fits
        there     E.ch.12.XY34.ch.wt.fits
        there     E.cm.4.smf
        in        site/dbinfo.awk
        out   R1  E.wrp.4.skycell.1234.001.dbinfo
        out   R1  E.wrp.4.skycell.1234.001.pswarp.mdc
        out   R1  E.wrp.4.skycell.1234.001.cmf
        out   R1  E.wrp.4.skycell.1234.001.psf
        out   R1  E.wrp.4.skycell.1234.001.log
        out   R1  E.wrp.4.skycell.1234.001.fits
        out   R1  E.wrp.4.skycell.1234.001.mask.fits
        out   R1  E.wrp.4.skycell.1234.001.wt.fits
    ",
    );
}

#[test]
fn stack_is_sent_five_files_of_each_warp_that_came_home() {
    has(
        "stack",
        61,
        "",
        &[('E', E6), ('S', S1)],
        "
        in    R3  E.wrp.6.skycell.1234.001.fits
        in    R3  E.wrp.6.skycell.1234.001.wt.fits
        in    R3  E.wrp.6.skycell.1234.001.mask.fits
        in    R3  E.wrp.6.skycell.1234.001.cmf
        in    R3  E.wrp.6.skycell.1234.001.psf
        in        site/dbinfo.awk
        out   R1  S.stk.61.dbinfo
        out   R1  S.stk.61.unconv.fits
        out   R1  S.stk.61.unconv.mask.fits
        out   R1  S.stk.61.unconv.wt.fits
        out   R1  S.stk.61.unconv.exp.fits
        out   R1  S.stk.61.unconv.expwt.fits
        out   R1  S.stk.61.unconv.num.fits
        out   R1  S.stk.61.cmf
        out   R1  S.stk.61.log
        out   R1  S.stk.61.stats
        out   R1  S.stk.61.ppStack.mdc
        out   R1  S.stk.61.target.psf
        out?  R1  S.stk.61.stk.000.psf
    ",
    );
}

#[test]
fn staticsky_is_sent_four_files_of_each_stack_and_returns_three() {
    has(
        "staticsky",
        501,
        "",
        &[('S', S1)],
        "
        in    R3  S.stk.41.unconv.fits
        in    R3  S.stk.61.unconv.fits
        in    R3  S.stk.41.unconv.wt.fits
        in    R3  S.stk.61.unconv.wt.fits
        in    R3  S.stk.41.unconv.mask.fits
        in    R3  S.stk.61.unconv.mask.fits
        in    R3  S.stk.41.unconv.num.fits
        in    R3  S.stk.61.unconv.num.fits
        out   R1  S.sky.501.log
        out   R1  S.sky.501.psphotStack.mdc
        out   R1  S.sky.501.dbinfo
        out   R1  S.sky.501.stk.041.cmf
        out   R1  S.sky.501.stk.061.cmf
        out   R1  S.sky.501.stk.041.psf
        out   R1  S.sky.501.stk.061.psf
        out   R1  S.sky.501.stk.041.mdl.fits
        out   R1  S.sky.501.stk.061.mdl.fits
    ",
    );
}

#[test]
fn diff_is_sent_nothing_since_a_missing_input_is_a_result() {
    has(
        "diff",
        4,
        "skycell.1234.001",
        &[('S', S1)],
        "
        in        site/dbinfo.awk
        out   R1  S.WS.dif.4.dbinfo
        out   R1  S.WS.dif.4.ppSub.mdc
        out   R1  S.WS.dif.4.log
        out   R1  S.WS.dif.4.trace
        out   R1  S.WS.dif.4.stats
        out   R1  S.WS.dif.4.subkernel
        out   R1  S.WS.dif.4.cmf
        out   R1  S.WS.dif.4.inv.cmf
        out   R1  S.WS.dif.4.mdl.fits
        out   R1  S.WS.dif.4.psf
    ",
    );
}

#[test]
fn ff_is_sent_the_three_images_of_a_warp_and_the_sources() {
    has(
        "ff",
        501,
        "4",
        &[('E', E4), ('S', S1)],
        "
        in    R3  E.wrp.4.skycell.1234.001.fits
        in    R3  E.wrp.4.skycell.1234.001.mask.fits
        in    R3  E.wrp.4.skycell.1234.001.wt.fits
        in    R3  gpc1/demo/sources/RINGS.V3.skycell.1234.001.cff
        in        site/dbinfo.awk
        out   R1  S.wrp.4.ff.501.dbinfo
        out   R1  S.wrp.4.ff.501.log
        out   R1  S.wrp.4.ff.501.stats
        out   R1  S.wrp.4.ff.501.trace
        out   R1  S.wrp.4.ff.501.cmf
        out   R1  S.wrp.4.ff.501.psphot.mdc
    ",
    );
}
