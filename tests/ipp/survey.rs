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
