//! All seven stages, one after the other, on the stand-ins.

use std::{
    collections::{BTreeMap, HashMap},
    sync::OnceLock,
};

use serde_json::{Map, Value};

use crate::world::{Runs, StageRun, World, texts};

/// What a purge of the site's scratch takes away before diff.
const PURGED: &str = "gpc1/demo/o6779g0005o.5/o6779g0005o.5.wrp.5.skycell.1234.002.mask.fits";

/// What the survey leaves; its directories are gone by then.
pub(crate) struct Survey {
    pub(crate) runs: Runs,
    /// Inputs and outputs of each job, by stage, component and key.
    pub(crate) files: HashMap<(&'static str, i64, String), String>,
    /// Rows of the tables.
    pub(crate) rows: BTreeMap<String, Vec<Map<String, Value>>>,
    /// Files below home/, and below the site's scratch, with their texts.
    pub(crate) home: HashMap<String, String>,
    pub(crate) scratch: HashMap<String, String>,
    /// The site's scratch, and below it where fetched files land.
    pub(crate) root: String,
    pub(crate) landing: String,
}

impl Survey {
    /// The survey, run once.
    pub(crate) fn get() -> &'static Self {
        static SURVEY: OnceLock<Survey> = OnceLock::new();
        SURVEY.get_or_init(Self::run)
    }

    fn run() -> Self {
        let world = World::new();
        let mut runs = Runs::new();
        for stage in ["chip", "camera", "warp", "stack", "staticsky", "diff", "ff"] {
            if stage == "diff" {
                std::fs::remove_file(world.scratch().join(PURGED)).unwrap();
            }
            runs.insert(stage, world.run(stage));
        }
        let mut files = HashMap::new();
        for (stage, run) in &runs {
            for job in &run.jobs {
                files.insert(
                    (*stage, job.stage_id, job.key.clone()),
                    run.files(job, &world),
                );
            }
        }
        let tables = runs
            .values()
            .map(|run| run.decision.schema.clone().unwrap().table);
        Self {
            rows: tables
                .map(|table| (table.clone(), world.rows(&table)))
                .collect(),
            files,
            home: texts(&world.home().join("home")),
            scratch: texts(&world.scratch()),
            root: world.scratch().to_str().unwrap().to_owned(),
            landing: format!(
                "{}/tmp{}",
                world.scratch().display(),
                world.home().join("home").display()
            ),
            runs,
        }
    }

    /// Paths of the site in short: below the fetched files `R3:`, below scratch `R1:`.
    pub(crate) fn short(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.landing), "R3:")
            .replace(&format!("{}/", self.root), "R1:")
    }

    pub(crate) fn stage(&self, stage: &str) -> &StageRun {
        &self.runs[stage]
    }
}

fn row<'a>(table: &str, cells: &[(&str, Value)]) -> &'a Map<String, Value> {
    let rows = &Survey::get().rows[table];
    let fits = |row: &&Map<String, Value>| cells.iter().all(|(name, cell)| row[*name] == *cell);
    rows.iter()
        .find(fits)
        .unwrap_or_else(|| panic!("{table} has no {cells:?}"))
}

/// The cells of a row that hold something.
fn filled(row: &Map<String, Value>) -> BTreeMap<&str, &Value> {
    let filled = row.iter().filter(|(_, cell)| !cell.is_null());
    filled.map(|(name, cell)| (name.as_str(), cell)).collect()
}

#[test]
fn all_jobs_of_all_stages_pass() {
    let counts = |stage: &str| {
        let run = Survey::get().stage(stage);
        (
            run.components.len(),
            run.counts.passed,
            run.counts.failed + run.counts.lost,
        )
    };
    assert_eq!(counts("chip"), (3, 9, 0));
    assert_eq!(counts("camera"), (3, 3, 0));
    assert_eq!(counts("warp"), (3, 6, 0));
    assert_eq!(counts("stack"), (4, 4, 0));
    assert_eq!(counts("staticsky"), (2, 2, 0));
    assert_eq!(counts("diff"), (3, 6, 0));
    assert_eq!(counts("ff"), (2, 6, 0));
}

#[test]
fn a_stage_that_passes_queues_the_next_under_its_id() {
    let next = |stage: &str| {
        let run = Survey::get().stage(stage);
        let ids = run.components.iter().map(|component| component.next_id);
        (run.decision.next.as_deref(), ids.collect::<Vec<_>>())
    };
    assert_eq!(
        next("chip"),
        (Some("camera"), vec![Some(4), Some(5), Some(6)])
    );
    assert_eq!(
        next("camera"),
        (Some("warp"), vec![Some(4), Some(5), Some(6)])
    );
    // A warp has several skycells: their stacks are found by a query.
    assert_eq!(next("warp").0, None);
    let (stage, mut ids) = next("stack");
    ids.sort();
    assert_eq!(
        (stage, ids),
        (Some("staticsky"), [501, 501, 502, 502].map(Some).to_vec())
    );
    assert_eq!(next("staticsky"), (Some("ff"), vec![Some(501), Some(502)]));
    assert_eq!(next("diff").0, None);
    assert_eq!(next("ff").0, None);
}

#[test]
fn a_record_has_what_was_known_beforehand_and_what_was_measured() {
    let cells = [
        ("chip_id", Value::from(12)),
        ("class_id", Value::from("XY12")),
    ];
    let chip = row("chipProcessedImfile", &cells);
    let known = [
        ("exp_id", Value::from(4)),
        (
            "uri",
            "neb://h01.0/gpc1/demo/o6779g0004o.4/o6779g0004o.4.ch.12.XY12.ch.fits".into(),
        ),
        (
            "path_base",
            "neb://h01.0/gpc1/demo/o6779g0004o.4/o6779g0004o.4.ch.12".into(),
        ),
        ("magicked", 0.into()),
        ("hostname", "HERE/demo".into()),
        ("dtime_script", 0.0.into()),
        ("quality", 0.into()),
        // Neither its blank nor its hyphen is lost on the way.
        ("ver_pslib", "stand-in 1".into()),
        ("iq_m2", (-1.5e-5).into()),
        ("dtime_total", 1.5.into()),
    ];
    for (name, value) in known {
        assert_eq!(chip[name], value, "{name}");
    }
    assert!(chip["bg"].as_f64().unwrap() > 800.0);
    assert_eq!(chip["fringe_0"], Value::Null);
}

#[test]
fn camera_sums_up_its_chips_beforehand() {
    let rows = Survey::get().rows["chipProcessedImfile"].iter();
    let chips: Vec<_> = rows.filter(|row| row["chip_id"] == 12).collect();
    let column = |name: &str| -> Vec<f64> {
        let mut cells: Vec<f64> = chips
            .iter()
            .map(|row| row[name].as_f64().unwrap())
            .collect();
        cells.sort_by(f64::total_cmp);
        cells
    };
    let bg = column("bg");
    let [low, middle, high] = bg[..] else {
        panic!("{bg:?}")
    };
    let squares: f64 = column("bg_stdev").iter().map(|x| x * x).sum();
    let expected = [
        ("bg", middle),
        ("bg_mean_stdev", (high - low) / 1.349),
        ("bg_stdev", (squares / 3.0).sqrt()),
        ("n_stars", column("n_stars").iter().sum()),
        ("n_cr", column("n_cr").iter().sum()),
        ("fwhm_major", column("fwhm_major")[1]),
        ("fwhm_major_lq", column("fwhm_major")[0]),
        ("fwhm_major_uq", column("fwhm_major")[2]),
    ];
    let camera = row("camProcessedExp", &[("cam_id", 4.into())]);
    for (name, value) in expected {
        let found = camera[name].as_f64().unwrap();
        assert!(
            (found - value).abs() < 1e-9,
            "{name}: {found} is not {value}"
        );
    }
    assert_eq!(camera["uri"], "UNKNOWN");
    assert_eq!(camera["astrom_chips"], 7);
    assert_eq!(camera["fringe_0"], Value::Null);
}

#[test]
fn a_diff_without_its_inputs_is_a_result_of_quality_4242() {
    let cells = [
        ("diff_id", Value::from(5)),
        ("skycell_id", "skycell.1234.002".into()),
    ];
    let expected: [(&str, Value); 6] = [
        ("diff_id", 5.into()),
        ("dtime_script", 0.0.into()),
        ("hostname", "HERE/demo".into()),
        (
            "path_base",
            "neb://h01.0/gpc1/demo/RINGS.V3/skycell.1234.002/RINGS.V3.skycell.1234.002.WS.dif.5"
                .into(),
        ),
        ("quality", 4242.into()),
        ("skycell_id", "skycell.1234.002".into()),
    ];
    let found = filled(row("diffSkyfile", &cells));
    let expected: BTreeMap<&str, &Value> = expected.iter().map(|(n, v)| (*n, v)).collect();
    assert_eq!(found, expected);

    let run = Survey::get().stage("diff");
    let record = &run.journal.jobs[&run.job(5, "skycell.1234.002").seq];
    assert!(record.end.as_ref().unwrap().skipped);
    assert_eq!(record.outputs, []);
    let good = Survey::get().rows["diffSkyfile"]
        .iter()
        .filter(|row| row["quality"] == 0);
    assert_eq!(good.count(), 5);
}

#[test]
fn ff_takes_the_fetched_images_away_and_leaves_the_sources() {
    let survey = Survey::get();
    let landing = survey
        .landing
        .strip_prefix(&format!("{}/", survey.root))
        .unwrap();
    let there = |name: &str| survey.scratch.contains_key(&format!("{landing}/{name}"));
    let warp = "gpc1/demo/o6779g0004o.4/o6779g0004o.4.wrp.4.skycell.1234.001";
    for suffix in [".fits", ".mask.fits", ".wt.fits"] {
        assert!(!there(&format!("{warp}{suffix}")), "{suffix}");
        // It came home from the warp, and the site's own copy is untouched.
        assert!(survey.home.contains_key(&format!("{warp}{suffix}")));
        assert!(survey.scratch.contains_key(&format!("{warp}{suffix}")));
    }
    assert!(there("gpc1/demo/sources/RINGS.V3.skycell.1234.001.cff"));
}

#[test]
fn the_compmap_has_a_line_an_input_and_the_list_what_is_there() {
    const SKYCELL: &str = "gpc1/demo/RINGS.V3/skycell.1234.001/RINGS.V3.skycell.1234.001";
    let is = |name: &str, expected: &str| {
        let survey = Survey::get();
        let text = survey
            .short(&survey.scratch[&format!("{SKYCELL}.{name}")])
            .replace(
                "gpc1/demo/o6779g0006o.6/o6779g0006o.6.wrp.6.skycell.1234.001",
                "W",
            )
            .replace(SKYCELL, "S");
        let words = |text: &str| -> Vec<String> {
            let lines = text
                .lines()
                .map(|line| line.split_whitespace().collect::<Vec<_>>());
            lines
                .filter(|line| !line.is_empty())
                .map(|line| line.join(" "))
                .collect()
        };
        assert_eq!(words(&text), words(expected), "{name}");
    };
    is(
        "stk.61.compmap",
        "
        R1:W.fits       R3:W.fits
        R1:W.wt.fits    R3:W.wt.fits
        R1:W.mask.fits  R3:W.mask.fits
        R1:W.cmf        R3:W.cmf
        R1:W.psf        R3:W.psf
    ",
    );
    is(
        "stk.61.in.mdc",
        "
        INPUT0  METADATA
           IMAGE     STR  R1:W.fits
           MASK      STR  R1:W.mask.fits
           VARIANCE  STR  R1:W.wt.fits
           PSF       STR  R1:W.psf
           SOURCES   STR  R1:W.cmf
           BKGMODEL  STR  R1:W.mdl.fits
        END
    ",
    );
    is(
        "sky.501.compmap",
        "
        R1:S.stk.41.unconv.fits       R3:S.stk.41.unconv.fits
        R1:S.stk.41.unconv.wt.fits    R3:S.stk.41.unconv.wt.fits
        R1:S.stk.41.unconv.mask.fits  R3:S.stk.41.unconv.mask.fits
        R1:S.stk.41.unconv.num.fits   R3:S.stk.41.unconv.num.fits
        R1:S.stk.61.unconv.fits       R3:S.stk.61.unconv.fits
        R1:S.stk.61.unconv.wt.fits    R3:S.stk.61.unconv.wt.fits
        R1:S.stk.61.unconv.mask.fits  R3:S.stk.61.unconv.mask.fits
        R1:S.stk.61.unconv.num.fits   R3:S.stk.61.unconv.num.fits
    ",
    );
    is(
        "sky.501.in.mdc",
        "
        INPUT  MULTI
        INPUT  METADATA
           STACK_ID      S64  41
           RAW:IMAGE     STR  R1:S.stk.41.unconv.fits
           RAW:MASK      STR  R1:S.stk.41.unconv.mask.fits
           RAW:VARIANCE  STR  R1:S.stk.41.unconv.wt.fits
           RAW:EXPNUM    STR  R1:S.stk.41.unconv.num.fits
        END
        INPUT  METADATA
           STACK_ID      S64  61
           RAW:IMAGE     STR  R1:S.stk.61.unconv.fits
           RAW:MASK      STR  R1:S.stk.61.unconv.mask.fits
           RAW:VARIANCE  STR  R1:S.stk.61.unconv.wt.fits
           RAW:EXPNUM    STR  R1:S.stk.61.unconv.num.fits
        END
    ",
    );
}
