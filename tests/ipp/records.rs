//! What each stage reports to the database: the flags of its tool, and its statistics group.

use std::{collections::BTreeSet, path::Path};

use outrigger::config::recipe::{ColumnType, Dbinfo, Recipe, RecordFormat};
use rstest::rstest;

use crate::groups::{
    CAMERA_EXP_FPA, CAMERA_EXP_IMFILE, CHIP_IMFILE, DIFF_SKYCELL, STACK_SKYCELL, WARP_SKYCELL,
};

pub(crate) fn recipe(file: &str) -> Recipe {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples/ipp")
        .join(file);
    let tree: serde_json::Value =
        serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    serde_json::from_value(tree).unwrap()
}

fn dbinfo(stage: &str) -> Dbinfo {
    recipe(&format!("stages/{stage}.yaml")).dbinfo.unwrap()
}

fn words(texts: &[&str]) -> BTreeSet<String> {
    let words = texts.iter().flat_map(|text| text.split_whitespace());
    words.map(str::to_owned).collect()
}

#[rstest]
#[case("chip", "chipProcessedImfile", "exp_id chip_id class_id uri path_base magicked hostname dtime_script", &[CHIP_IMFILE])]
#[case("camera", "camProcessedExp", "cam_id uri path_base hostname dtime_script", &[CAMERA_EXP_IMFILE, CAMERA_EXP_FPA])]
#[case("warp", "warpSkyfile", "warp_id skycell_id tess_id uri path_base hostname dtime_script", &[WARP_SKYCELL])]
#[case("stack", "stackSumSkyfile", "stack_id path_base uri hostname dtime_script", &[STACK_SKYCELL])]
#[case("staticsky", "staticskyResult", "sky_id path_base num_inputs hostname dtime_script", &[])]
#[case("diff", "diffSkyfile", "diff_id skycell_id path_base hostname dtime_script", &[DIFF_SKYCELL])]
#[case("ff", "fullForceResult", "ff_id warp_id path_base hostname dtime_script", &[WARP_SKYCELL])]
fn a_record_has_the_flags_of_the_tool_and_of_the_statistics_group(
    #[case] stage: &str,
    #[case] table: &str,
    #[case] tool: &str,
    #[case] groups: &[&str],
) {
    let dbinfo = dbinfo(stage);
    assert_eq!(dbinfo.table, table);
    let columns: BTreeSet<String> = dbinfo.columns.keys().cloned().collect();
    let mut flags = words(groups);
    flags.extend(words(&[tool]));
    assert_eq!(columns, flags);
}

#[rstest]
#[case("chip", "exp_id chip_id class_id")]
#[case("camera", "cam_id")]
#[case("warp", "warp_id skycell_id tess_id")]
#[case("stack", "stack_id")]
#[case("staticsky", "sky_id")]
#[case("diff", "diff_id skycell_id")]
#[case("ff", "ff_id warp_id")]
fn a_record_is_known_by_the_ids_that_the_tool_asks_for(#[case] stage: &str, #[case] key: &str) {
    assert_eq!(dbinfo(stage).key.join(" "), key);
}

#[rstest]
#[case("chip")]
#[case("camera")]
#[case("warp")]
#[case("stack")]
#[case("diff")]
#[case("ff")]
fn every_statistic_may_be_missing_but_quality_may_not(#[case] stage: &str) {
    let dbinfo = dbinfo(stage);
    let given: BTreeSet<String> = dbinfo.values.keys().cloned().collect();
    let missing: BTreeSet<String> = dbinfo.optional.iter().cloned().collect();
    let needed = dbinfo
        .columns
        .keys()
        .filter(|name| !given.contains(*name) && !missing.contains(*name));
    assert_eq!(needed.collect::<Vec<_>>(), ["quality"]);
}

#[rstest]
fn counts_are_integers_names_are_texts_and_the_rest_is_real(
    #[values("chip", "camera", "warp", "stack", "staticsky", "diff", "ff")] stage: &str,
) {
    for (name, kind) in dbinfo(stage).columns {
        let counted = ["n_", "x", "y"].iter().any(|start| name.starts_with(start))
            || [
                "_id",
                "_npix",
                "_chips",
                "_images",
                "_min",
                "sources",
                "num_inputs",
                "magicked",
            ]
            .iter()
            .any(|end| name.ends_with(end))
            || ["quality", "stamps_num"].contains(&name.as_str());
        let named = [
            "class_id",
            "skycell_id",
            "tess_id",
            "uri",
            "path_base",
            "hostname",
            "accept",
        ]
        .contains(&name.as_str())
            || name.starts_with("ver_");
        let expected = match (named, counted) {
            (true, _) => ColumnType::Text,
            (false, true) => ColumnType::Integer,
            (false, false) => ColumnType::Real,
        };
        assert_eq!(kind, expected, "{name}");
    }
}

#[rstest]
fn every_record_is_data_that_the_job_writes_as_metadata(
    #[values("chip", "camera", "warp", "stack", "staticsky", "diff", "ff")] stage: &str,
) {
    let dbinfo = dbinfo(stage);
    assert!(dbinfo.from.unwrap().ends_with(".dbinfo"));
    assert_eq!(
        (dbinfo.format, dbinfo.legacy),
        (RecordFormat::Metadata, None)
    );
}
