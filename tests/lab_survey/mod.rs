//! The example survey through the embedded scheduler, through Slurm over ssh as another user, and
//! through the Moab commands: the same products to the byte, the same records.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use outrigger::transfer::Hash;

use super::lab_harness::{Lab, Login, Master, Workspace};

const EXPOSURES: &str = "3";

/// Everything a survey leaves: products by name with their hashes, records by table.
#[derive(Debug, PartialEq, Eq)]
struct Survey {
    products: BTreeMap<PathBuf, String>,
    records: Vec<String>,
}

#[test]
fn the_survey_gives_the_same_products_and_records_everywhere() {
    let lab = Lab::get();
    let master = lab.open_master(Login::Key);
    let here = survey(&lab, &master, None);
    assert_eq!(
        here.products.len(),
        3 * 4 + 3 + 4,
        "{:?}",
        here.products.keys()
    );
    assert_eq!(
        survey(&lab, &master, Some("slurm")),
        here,
        "Slurm (left) and here (right)"
    );
    assert_eq!(
        survey(&lab, &master, Some("moab")),
        here,
        "Moab (left) and here (right)"
    );
}

/// Runs the survey at a site of the lab, or here.
fn survey(lab: &Lab, master: &Master, site: Option<&str>) -> Survey {
    let workspace = Workspace::new(lab, master);
    let (dir, cluster) = (workspace.path(), workspace.config());
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/survey");
    let copied = Command::new("cp")
        .arg("-rL")
        .arg(example.join("."))
        .arg(dir)
        .status()
        .unwrap();
    assert!(copied.success());
    let program = Path::new(env!("CARGO_BIN_EXE_outrigger"));
    let bin = match site {
        Some(_) => {
            let bin = format!("{}/bin", workspace.scratch());
            lab.send(program, &format!("{bin}/outrigger"));
            bin
        },
        None => program.parent().unwrap().to_str().unwrap().to_owned(),
    };
    let path = format!("    environment: ['export PATH={bin}:$PATH']\n");
    let sites = match site {
        Some(_) => cluster.replace("    scratch:", &format!("{path}    scratch:")),
        None => format!(
            "sites:\n  here:\n    scheduler: local\n    nodes: {{cores: 2}}\n    walltime: {{min: 1m, max: 1h}}\n{path}    scratch: {}\n",
            dir.join("scratch").display()
        ),
    };
    fs::write(dir.join("outrigger.yaml"), sites).unwrap();
    let frames = [
        "sky",
        "frames",
        "--base",
        "data/image.fits",
        "--out",
        "raw",
        "--chips",
        "4",
    ];
    workspace
        .outrigger(
            frames
                .iter()
                .chain(&["--seed", "1", "--exposures", EXPOSURES]),
        )
        .success();
    workspace.outrigger(["init"]).success();
    let mut run = vec!["remote", "run", "--label", "survey", "--quiet"];
    run.extend(site.map(|site| ["--site", site]).into_iter().flatten());
    let driven = workspace.outrigger(&run);
    assert_eq!(driven.code, 0, "{driven:?}");
    Survey {
        products: hashes(&dir.join("products")),
        records: records(dir),
    }
}

fn hashes(products: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![products.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let hash = Hash::of_file(&path).unwrap().to_string();
                found.insert(path.strip_prefix(products).unwrap().to_owned(), hash);
            }
        }
    }
    found
}

/// Every record of every stage, as `results` keeps it.
fn records(dir: &Path) -> Vec<String> {
    let db = rusqlite::Connection::open(dir.join("state.db")).unwrap();
    let mut statement = db
        .prepare("SELECT name || ' ' || record FROM results ORDER BY 1")
        .unwrap();
    statement
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect()
}
