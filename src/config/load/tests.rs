mod mistakes;

use std::fs;

use proptest::prelude::*;

use super::*;
use crate::config::{
    problem::{Look, render, sorted},
    recipe::Source,
};

/// A recipe without problems, to which a case adds some.
const CHIP: &str = "\
stage: chip
components: {file: chips.csv}
command: [ppImage]
";

fn found<T>(read: Read<T>) -> Vec<String> {
    sorted(read.1).iter().map(ToString::to_string).collect()
}

fn in_config(text: &str) -> Vec<String> {
    found(parse_config("outrigger.yaml".into(), text.into()))
}

#[test]
fn numbers_booleans_and_words_of_old_yaml_are_text_where_text_is_wanted() {
    let text = "sites: {mu: {scratch: /s, account: 1234, queue: no, qos: 1.50, partition: true}}";
    let (read, problems) = parse_config("outrigger.yaml".into(), text.into());
    assert_eq!(problems, []);
    let config = read.unwrap().1.unwrap();
    let site = &config.sites["mu"];
    assert_eq!(site.account.as_deref(), Some("1234"));
    assert_eq!(site.queue.as_deref(), Some("no"));
    assert_eq!(site.qos.as_deref(), Some("1.50"));
    assert_eq!(site.partition.as_deref(), Some("true"));
}

#[test]
fn every_way_to_write_a_recipe_is_read_as_meant() {
    use crate::config::recipe::{Arg, Next, Step};
    let text = "\
stage: chip
components:
  sql: select 1 as stage_id
jobs: {for_each: imfile, key: \"{{ imfile.class_id }}\", from: {command: [list, --all]}, by: exp_id}
lookups:
  detrend: {from: {file: detrends.csv}, params: [type, of], match: {type: \"{{ type }}\"}, value: path}
pre:
  - [mkdir, -p, \"{{ root }}/x\"]
command: [ppImage, -threads, 2, {args: [-k, 3], when: \"{{ imfile.k }}\"}]
post: [{sh: \"date > x\"}]
next: {stage: chip, id: \"{{ exp_id }}\"}
";
    let (read, problems) = parse_recipe("chip.yaml".into(), text.into());
    assert_eq!(problems, []);
    let recipe = read.unwrap().1.unwrap();
    assert!(matches!(recipe.components, Source::Sql(_)));
    let jobs = recipe.jobs.unwrap();
    assert_eq!(
        jobs.from,
        Some(Source::Command(vec!["list".into(), "--all".into()]))
    );
    let Step::Argv(args) = recipe.command else {
        panic!("not an argv")
    };
    assert_eq!(args[2], Arg::One("2".into()));
    assert!(matches!(args[3], Arg::Group(_)));
    assert!(matches!(recipe.post[0], Step::Shell { .. }));
    assert!(matches!(recipe.next, Some(Next::Keyed { .. })));
}

#[test]
fn a_recipe_as_text_and_as_a_value_are_the_same() {
    let (read, _) = parse_recipe("chip.yaml".into(), CHIP.into());
    let recipe = read.unwrap().1.unwrap();
    assert_eq!(serde_yaml::from_str::<Recipe>(CHIP).unwrap(), recipe);
    let written = serde_yaml::to_string(&recipe).unwrap();
    assert_eq!(serde_yaml::from_str::<Recipe>(&written).unwrap(), recipe);
}

#[test]
fn a_site_goes_over_its_profile_key_by_key() {
    let text =
        "sites:\n  mu:\n    profile: lanl\n    nodes: {max: 50}\n    connection: {user: me}\n";
    let (read, problems) = parse_config("outrigger.yaml".into(), text.into());
    assert_eq!(problems, []);
    let config = read.unwrap().1.unwrap();
    let site = &config.sites["mu"];
    assert_eq!((site.nodes.cores, site.nodes.max), (24, 50));
    assert_eq!(site.scratch, Path::new("/scratch3/watersc1"));
    let crate::config::site::Connection::Ssh(ssh) = &site.connection else {
        panic!("no connection")
    };
    assert_eq!(
        (ssh.user.as_deref(), ssh.jump.as_deref()),
        (Some("me"), Some("wtrw"))
    );
}

#[test]
fn a_limit_that_clashes_with_the_profile_is_placed_in_the_file() {
    let text = "sites:\n  mu:\n    profile: lanl\n    nodes: {min: 2000}\n";
    assert_eq!(
        in_config(text),
        [
            "outrigger.yaml:4:5: error: `max` (1000) is less than `min` (2000) (no number of nodes would do)"
        ]
    );
}

#[test]
fn a_mistake_behind_an_alias_is_told_once() {
    let text = "sites:\n  a: &a {scratch: /s, fill_factor: 9}\n  b: *a\n";
    assert_eq!(in_config(text).len(), 1);
}

fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    directory
}

fn rendered(directory: &tempfile::TempDir, problems: &[Problem]) -> String {
    let root = format!("{}/", directory.path().display());
    render(problems, Look::Plain).replace(&root, "")
}

const LOCAL: &str = "sites: {local: {scratch: /tmp/x}}\n";

#[test]
fn everything_wrong_in_all_files_is_told_at_once() {
    let directory = directory(&[
        (
            "outrigger.yaml",
            "sites:\n  mustang:\n    scheduler: moab\n    fil_factor: 0.8\n    nodes: {cores: 24, memory: 64 Gi}\n    scratch: scratch3\n",
        ),
        (
            "stages/camera.yaml",
            "stage: camera\nalias: [cam]\ncomponents: {file: c.csv}\ncommand: [psastro]\nnext: wrap\n",
        ),
        (
            "stages/chip.yaml",
            "stage: chip\ncomponents: {file: c.csv}\ncommand: [ppImage]\noutputs:\n  - remote: {{ out }}.cmf\n",
        ),
        (
            "stages/warp.yaml",
            "stage: warp\nalias: [cam]\ncomponents: {file: c.csv}\ncommand: [pswarp]\n",
        ),
    ]);
    let problems = load(directory.path()).unwrap_err();
    insta::assert_snapshot!(rendered(&directory, &problems), @r#"
    error: unknown key `fil_factor`
     --> outrigger.yaml:4:5
      |
    4 |     fil_factor: 0.8
      |     ^^^^^^^^^^
      |
      = help: did you mean `fill_factor`?

    error: `64 Gi` is not a size
     --> outrigger.yaml:5:32
      |
    5 |     nodes: {cores: 24, memory: 64 Gi}
      |                                ^^^^^
      |
      = help: write a number and B, kB, MB, GB, TB, KiB, MiB, GiB or TiB, as in `64 GiB`

    error: `scratch3` is not an absolute path
     --> outrigger.yaml:6:14
      |
    6 |     scratch: scratch3
      |              ^^^^^^^^
      |
      = help: begin with `/`

    error: there is no stage `wrap`
     --> stages/camera.yaml:5:7
      |
    5 | next: wrap
      |       ^^^^
      |
      = help: did you mean `warp`?

    error: a template needs quotes
     --> stages/chip.yaml:5:13
      |
    5 |   - remote: {{ out }}.cmf
      |             ^^^^^^^^
      |
      = help: write `"{{ … }}"`: without quotes, YAML reads braces as a map

    error: the stage name `cam` is taken
     --> stages/warp.yaml:2:9
      |
    2 | alias: [cam]
      |         ^^^
      |
      = help: it was given in stages/camera.yaml:2 already
    "#);
}

#[test]
fn a_configuration_is_found_from_a_directory_below() {
    let directory = directory(&[
        ("outrigger.yaml", LOCAL),
        ("stages/chip.yaml", CHIP),
        ("stages/readme.txt", "not a recipe"),
        ("stages/old/chip.yaml", CHIP),
    ]);
    let loaded = load(&directory.path().join("stages")).unwrap();
    assert_eq!(loaded.root, directory.path());
    assert_eq!(loaded.recipes.len(), 1);
    let recipe = loaded.recipe("chip").unwrap();
    assert_eq!(recipe.path, directory.path().join("stages/chip.yaml"));
    assert_eq!(recipe.directory(), directory.path().join("stages"));
    assert_eq!(loaded.state_file(), directory.path().join("state.db"));
}

#[test]
fn recipes_are_found_by_alias_and_unknown_names_get_a_hint() {
    let directory = directory(&[
        ("outrigger.yaml", LOCAL),
        (
            "stages/camera.yaml",
            "stage: camera\nalias: [cam]\ncomponents: {file: c.csv}\ncommand: [x]\n",
        ),
    ]);
    let loaded = load(directory.path()).unwrap();
    assert_eq!(loaded.recipe("cam").unwrap().recipe.stage, "camera");
    assert_eq!(
        loaded.recipe("camra").unwrap_err().to_string(),
        "there is no stage `camra`: did you mean `camera`?"
    );
    assert_eq!(
        loaded.site("mustang").unwrap_err().to_string(),
        "there is no site `mustang`: known: `local`"
    );
}

#[test]
fn a_directory_without_configuration_says_how_to_make_one() {
    let directory = directory(&[]);
    let problems = load(&directory.path().join("outrigger.yaml")).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert_eq!(
        rendered(&directory, &problems).lines().next(),
        Some("error: the file cannot be read: No such file or directory (os error 2)")
    );
}

#[test]
fn a_glob_without_recipes_is_a_warning() {
    let directory = directory(&[(
        "outrigger.yaml",
        "sites: {local: {scratch: /s}}\nstages: st/**/*.yml\n",
    )]);
    let loaded = load(directory.path()).unwrap();
    let texts: Vec<&str> = loaded.warnings.iter().map(|w| w.message.as_str()).collect();
    assert_eq!(texts, ["no file matches `st/**/*.yml`"]);
}

#[test]
fn a_file_that_is_not_text_is_told() {
    let directory = directory(&[("outrigger.yaml", LOCAL)]);
    fs::create_dir(directory.path().join("stages")).unwrap();
    fs::write(
        directory.path().join("stages/a.yaml"),
        b"stage: x\nalias: [\xff]\n",
    )
    .unwrap();
    let problems = load(directory.path()).unwrap_err();
    assert_eq!(problems[0].message, "line 2 is not UTF-8");
}

#[test]
fn a_problem_inside_a_template_points_at_the_character() {
    let directory = directory(&[
        ("outrigger.yaml", LOCAL),
        (
            "stages/chip.yaml",
            "stage: chip\ncomponents: {file: c.csv}\ncommand: [x]\noutputs:\n  - remote: \"a/{{ nmae }}.cmf\"\n",
        ),
    ]);
    let loaded = load(directory.path()).unwrap();
    let path = KeyPath::root().key("outputs").index(0).key("remote");
    let problem = loaded
        .recipe("chip")
        .unwrap()
        .problem(&path, Some(5), "there is no `nmae`");
    insta::assert_snapshot!(rendered(&directory, &[problem]), @r#"
    error: there is no `nmae`
     --> stages/chip.yaml:5:19
      |
    5 |   - remote: "a/{{ nmae }}.cmf"
      |                   ^
    "#);
}

#[test]
fn a_file_full_of_mistakes_is_told_in_bounds() {
    let unknown: Vec<String> = (0..20_000).map(|key| format!("k{key}: 1")).collect();
    let text = format!("sites: {{mu: {{scratch: /s, {}}}}}", unknown.join(", "));
    let (_, problems) = parse_config("outrigger.yaml".into(), text);
    assert_eq!(problems.len(), 100);
    assert_eq!(
        render(&problems, Look::Plain).matches("error: ").count(),
        100
    );
}

#[test]
fn a_problem_as_json_has_place_and_text() {
    let (_, problems) = parse_config(
        "outrigger.yaml".into(),
        "sites: {mu: {scratch: rel}}".into(),
    );
    assert_eq!(
        serde_json::to_value(&problems).unwrap(),
        serde_json::json!([{
            "file": "outrigger.yaml", "line": 1, "column": 23, "start": 22, "end": 25,
            "key": "sites.mu.scratch", "severity": "error",
            "message": "`rel` is not an absolute path", "help": "begin with `/`",
        }])
    );
}

proptest! {
    #[test]
    fn no_configuration_makes_the_check_panic(
        key in "(sites|stages|stage|components|command|dbinfo|[a-z]{1,5})",
        text in "([-:,&*'\"{}\\[\\]ab0 \n]|\n  |: |- |nodes: |mu: |sql: |/x)*"
    ) {
        let text = format!("{key}: {text}");
        let _ = parse_config("outrigger.yaml".into(), text.clone());
        let _ = parse_recipe("chip.yaml".into(), text);
    }
}
