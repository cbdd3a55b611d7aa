//! The commands of each stage, an option a line. `R1:` is the site's scratch, `R3:` where fetched
//! files land below it; `E`, `S` and `W` are the roots of the exposure, the skycell and the warp.

use crate::survey::Survey;

const E4: &str = "R1:gpc1/demo/o6779g0004o.4/o6779g0004o.4";
const S1: &str = "R1:gpc1/demo/RINGS.V3/skycell.1234.001/RINGS.V3.skycell.1234.001";
const W4: &str = "gpc1/demo/o6779g0004o.4/o6779g0004o.4.wrp.4.skycell.1234.001";

/// The command of a job with every option on a line of its own.
fn command(stage: &str, stage_id: i64, key: &str, program: &str) -> String {
    let survey = Survey::get();
    let run = survey.stage(stage);
    let mut text = String::new();
    for word in run.argv(run.job(stage_id, key), program) {
        let is_option = word.starts_with('-') || word.starts_with('>');
        text.push_str(if is_option { "\n" } else { " " });
        text.push_str(&survey.short(&word));
    }
    for (letter, start) in [("W", W4), ("E", E4), ("S", S1)] {
        text = text.replace(start, letter);
    }
    text.replace("R1:W", "W")
}

fn is(found: &str, expected: &str) {
    let lines = |text: &str| -> Vec<String> {
        let lines = text.trim().lines().map(|line| line.trim().to_owned());
        lines.collect()
    };
    assert_eq!(lines(found), lines(expected));
}

#[test]
fn chip_is_ppimage_with_the_detrends_that_fit() {
    is(
        &command("chip", 12, "XY12", "ppImage"),
        "
        ppImage
        -file R3:gpc1/20140502/o6779g0004o/o6779g0004o.XY12.fits
        -burntool R3:gpc1/20140502/o6779g0004o/o6779g0004o.XY12.burn.v15.tbl
        -mask R3:gpc1/detrends/mask.1/XY12.fits
        -flat R3:gpc1/detrends/flat.6.r/XY12.fits
        -dark R3:gpc1/detrends/dark.3/XY12.fits
        -linearity R3:gpc1/detrends/linearity.11/gpc1.fits
        -noisemap R3:archive/noisemap.9/XY12.fits E.ch.12
        -recipe PPIMAGE PPIMAGE_DEFAULT
        -recipe PSPHOT PSPHOT_DEFAULT
        -recipe PPSTATS CHIPSTATS
        -stats E.ch.12.XY12.stats
        -threads 4
        -image_id 301
        -tracedest E.ch.12.XY12.trace
        -log E.ch.12.XY12.log
    ",
    );
}

#[test]
fn a_chip_in_y_with_video_cells_has_a_fringe_and_the_videodark_as_its_dark() {
    let command = command("chip", 14, "XY34", "ppImage");
    let detrends: Vec<&str> = command
        .lines()
        .filter(|line| line.contains("R3:gpc1/detrends"))
        .collect();
    assert_eq!(
        detrends,
        [
            "-mask R3:gpc1/detrends/mask.1/XY34.fits",
            "-flat R3:gpc1/detrends/flat.8.y/any.fits",
            "-dark R3:gpc1/detrends/videodark.4/XY34.fits",
            "-linearity R3:gpc1/detrends/linearity.11/gpc1.fits",
            "-fringe R3:gpc1/detrends/fringe.10.y/XY34.fits R1:gpc1/demo/o6779g0006o.6/o6779g0006o.6.ch.14",
        ]
    );
}

#[test]
fn a_reduction_changes_the_recipes_that_it_names_and_no_others() {
    let command = command("chip", 13, "XY12", "ppImage");
    assert!(command.contains("-recipe PPIMAGE PPIMAGE_DEFAULT"));
    assert!(command.contains("-recipe PSPHOT PSPHOT_DEEP"));
}

#[test]
fn camera_is_psastro_with_the_references_of_the_site_and_no_threads() {
    is(
        &command("camera", 4, "", "psastro"),
        "
        psastro
        -list E.cm.4.cmflist
        -masklist E.cm.4.masklist E.cm.4
        -refmasklist R1:resident/references/gpc1.refmask.list
        -kh-correct R1:resident/references/khcorrect.fits
        -astrommodel R1:resident/references/gpc1.asm
        -recipe PSASTRO PSASTRO_DEFAULT
        -tracedest E.cm.4.trace
        -log E.cm.4.log
        -dumpconfig E.cm.4.psastro.mdc
        -stats E.cm.4.stats
        -recipe PPSTATS CAMSTATS
    ",
    );
}

#[test]
fn warp_is_pswarp_onto_the_skycell_of_the_sites_tessellation() {
    is(
        &command("warp", 4, "skycell.1234.001", "dvoImageExtract"),
        "
        dvoImageExtract
        -D CATDIR R1:resident/tess/RINGS.V3 skycell.1234.001
        -o W.skyfile
    ",
    );
    is(
        &command("warp", 4, "skycell.1234.001", "pswarp"),
        "
        pswarp
        -list W.imlist
        -masklist W.masklist
        -variancelist W.varlist
        -astromlist W.astrom W W.skyfile
        -F PSPHOT.PSF.SAVE PSPHOT.PSF.SKY.SAVE
        -F PSPHOT.OUTPUT PSPHOT.OUT.CMF.MEF
        -F PSPHOT.BACKMDL PSPHOT.BACKMDL.MEF
        -F SOURCE.PLOT.MOMENTS SOURCE.PLOT.SKY.MOMENTS
        -F SOURCE.PLOT.PSFMODEL SOURCE.PLOT.SKY.PSFMODEL
        -F SOURCE.PLOT.APRESID SOURCE.PLOT.SKY.APRESID
        -recipe PSWARP PSWARP_DEFAULT
        -tracedest W.trace
        -log W.log
        -threads 4
        -recipe PPSTATS WARPSTATS
        -dumpconfig W.pswarp.mdc
        -stats W.stats
    ",
    );
}

#[test]
fn stack_is_ppstack_on_the_list_that_the_job_makes() {
    is(
        &command("stack", 61, "", "ppStack"),
        "
        ppStack
        -input S.stk.61.in.mdc S.stk.61
        -stats S.stk.61.stats
        -recipe PPSTACK PPSTACK_DEFAULT
        -recipe PPSUB STACK_1DG
        -recipe PSPHOT STACK
        -recipe PPSTATS STACKSTATS
        -stack-type DEEP_STACK
        -F PSPHOT.PSF.SAVE PSPHOT.PSF.SKY.SAVE
        -F PSPHOT.OUTPUT PSPHOT.OUT.CMF.MEF
        -F PSPHOT.BACKMDL PSPHOT.BACKMDL.MEF
        -F SOURCE.PLOT.MOMENTS SOURCE.PLOT.SKY.MOMENTS
        -F SOURCE.PLOT.PSFMODEL SOURCE.PLOT.SKY.PSFMODEL
        -F SOURCE.PLOT.APRESID SOURCE.PLOT.SKY.APRESID
        -R PPSTACK.OUTPUT FITS.TYPE COMP_STACK
        -R PPSTACK.OUTPUT.VARIANCE FITS.TYPE COMP_STACK
        -R PPSTACK.UNCONV FITS.TYPE COMP_STACK
        -R PPSTACK.UNCONV.VARIANCE FITS.TYPE COMP_STACK
        -tracedest S.stk.61.trace
        -log S.stk.61.log
        -threads 4
        -dumpconfig S.stk.61.ppStack.mdc
        -stack_id 61
        -skycell_id skycell.1234.001
        -tess_id RINGS.V3
        > S.stk.61.log2 2>&1
    ",
    );
}

#[test]
fn staticsky_is_psphotstack_on_the_list_that_the_job_makes() {
    is(
        &command("staticsky", 501, "", "psphotStack"),
        "
        psphotStack
        -input S.sky.501.in.mdc S.sky.501
        -recipe PSPHOT STACKPHOT
        -recipe PPSUB STACK_1DG
        -recipe PPSTACK PPSTACK_PHOT
        -tracedest S.sky.501.trace
        -log S.sky.501.log
        -threads 4
        -dumpconfig S.sky.501.psphotStack.mdc
        > S.sky.501.log2 2>&1
    ",
    );
}

#[test]
fn diff_is_ppsub_of_the_warp_and_the_stack_with_the_warps_sources_on_both_sides() {
    is(
        &command("diff", 4, "skycell.1234.001", "ppSub"),
        "
        ppSub S.WS.dif.4
        -inimage W.fits
        -refimage S.stk.41.unconv.fits
        -inmask W.mask.fits
        -refmask S.stk.41.unconv.mask.fits
        -invariance W.wt.fits
        -refvariance S.stk.41.unconv.wt.fits
        -insources W.cmf
        -refsources W.cmf
        -F PSPHOT.PSF.SAVE PSPHOT.PSF.SKY.SAVE
        -F PSPHOT.OUTPUT PSPHOT.OUT.CMF.MEF
        -F PSPHOT.BACKMDL PSPHOT.BACKMDL.MEF
        -recipe PPSUB WARPSTACK_PV3
        -recipe PSPHOT DIFF_PV3
        -recipe PPSTATS DIFFSTATS
        -tracedest S.WS.dif.4.trace
        -log S.WS.dif.4.log
        -threads 4
        -dumpconfig S.WS.dif.4.ppSub.mdc
        -stats S.WS.dif.4.stats
        -photometry
        -inverse
        -image_id 901
    ",
    );
}

#[test]
fn diff_checks_eight_inputs_first() {
    is(
        &command("diff", 4, "skycell.1234.001", "or_need").replace(' ', "\n"),
        "

        or_need
        W.fits
        W.mask.fits
        W.wt.fits
        W.cmf
        S.stk.41.unconv.fits
        S.stk.41.unconv.mask.fits
        S.stk.41.unconv.wt.fits
        W.cmf
    ",
    );
}

#[test]
fn ff_is_psphotfullforce_on_what_was_fetched_and_ends_by_removing_the_images() {
    is(
        &command("ff", 501, "4", "psphotFullForce"),
        "
        psphotFullForce S.wrp.4.ff.501
        -force R3:gpc1/demo/sources/RINGS.V3.skycell.1234.001.cff
        -file R3:W.fits
        -mask R3:W.mask.fits
        -variance R3:W.wt.fits
        -F PSPHOT.PSF.SAVE PSPHOT.PSF.SKY.SAVE
        -F PSPHOT.OUTPUT PSPHOT.OUT.CMF.MEF
        -F PSPHOT.BACKMDL PSPHOT.BACKMDL.MEF
        -recipe PSPHOT FULLFORCE
        -photcode-rule {DETECTOR}.{FILTER.ID}.ForcedWarp
        -dumpconfig S.wrp.4.ff.501.psphot.mdc
        -stats S.wrp.4.ff.501.stats
        -tracedest S.wrp.4.ff.501.trace
        -log S.wrp.4.ff.501.log
        -threads 4
    ",
    );
    is(
        &command("ff", 501, "4", "rm"),
        "
        rm
        -f R3:W.fits R3:W.mask.fits R3:W.wt.fits
    ",
    );
}
