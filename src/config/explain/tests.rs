use rstest::rstest;

use super::*;
use crate::config::load;

fn loaded() -> (tempfile::TempDir, Loaded) {
    let directory = tempfile::tempdir().unwrap();
    let config = "\
sites:
  mustang:
    profile: lanl
    account: ps1
    nodes:
      max: 50
  mu.fe: {scratch: /s}
";
    let chip = "\
stage: chip
alias: [ch]
components: {file: c.csv}
command: [ppImage, -v]
outputs:
  - remote: a.cmf
cost: {threads: 2}
";
    std::fs::create_dir(directory.path().join("stages")).unwrap();
    std::fs::write(directory.path().join("outrigger.yaml"), config).unwrap();
    std::fs::write(directory.path().join("stages/chip.yaml"), chip).unwrap();
    let loaded = load(directory.path()).unwrap();
    (directory, loaded)
}

fn lines(key: &str) -> Vec<String> {
    let (directory, loaded) = loaded();
    let root = format!("{}/", directory.path().display());
    explain(&loaded, key)
        .unwrap()
        .iter()
        .map(|one| one.to_string().replace(&root, ""))
        .collect()
}

#[rstest]
#[case(
    "sites.mustang.nodes.max",
    "sites.mustang.nodes.max: 50  (outrigger.yaml:6:12)"
)]
#[case(
    "sites.mustang.nodes.cores",
    "sites.mustang.nodes.cores: 24  (profile lanl)"
)]
#[case("sites.mustang.retries", "sites.mustang.retries: 2  (default)")]
#[case("sites.mustang.queue", "sites.mustang.queue: not set  (default)")]
#[case(
    "sites.mustang.connection.jump",
    "sites.mustang.connection.jump: wtrw  (profile lanl)"
)]
#[case(
    "sites.mu.fe.scratch",
    "sites.mu.fe.scratch: /s  (outrigger.yaml:7:20)"
)]
#[case("sites.mu.fe.connection", "sites.mu.fe.connection: none  (default)")]
#[case("stages", "stages: stages/*.yaml  (default)")]
#[case(
    "stages.chip.cost.threads",
    "stages.chip.cost.threads: 2  (stages/chip.yaml:7:17)"
)]
#[case(
    "stages.ch.cost.threads",
    "stages.chip.cost.threads: 2  (stages/chip.yaml:7:17)"
)]
#[case(
    "stages.chip.outputs[0].remote",
    "stages.chip.outputs[0].remote: a.cmf  (stages/chip.yaml:6:13)"
)]
#[case(
    "stages.chip.components",
    "stages.chip.components.file: c.csv  (stages/chip.yaml:3:20)"
)]
#[case(
    "stages.chip.command",
    "stages.chip.command: [\"ppImage\",\"-v\"]  (stages/chip.yaml:4:10)"
)]
fn a_key_is_explained_by_value_and_origin(#[case] key: &str, #[case] expected: &str) {
    assert_eq!(lines(key), [expected]);
}

#[test]
fn a_prefix_lists_all_below_it() {
    assert_eq!(
        lines("sites.mustang.nodes"),
        [
            "sites.mustang.nodes.cores: 24  (profile lanl)",
            "sites.mustang.nodes.max: 50  (outrigger.yaml:6:12)",
            "sites.mustang.nodes.memory: not set  (default)",
            "sites.mustang.nodes.min: 1  (profile lanl)",
        ]
    );
}

#[test]
fn an_empty_key_lists_the_whole_configuration() {
    let all = lines("");
    assert!(all.iter().any(|line| line.starts_with("state: state.db")));
    assert!(
        all.iter()
            .any(|line| line.starts_with("sites.mustang.account: ps1"))
    );
}

#[rstest]
#[case(
    "sites.mustang.nodes.core",
    "there is no key `sites.mustang.nodes.core`: did you mean `cores`?"
)]
#[case(
    "sites.mustnag",
    "there is no key `sites.mustnag`: did you mean `mustang`?"
)]
#[case("stages.chop.cost", "there is no stage `chop`: did you mean `chip`?")]
#[case(
    "stages.chip.outputs[7].remote",
    "there is no key `stages.chip.outputs[7]`: the list has 1 elements"
)]
#[case(
    "sites.mustang.account.x",
    "there is no key `sites.mustang.account.x`: the key above it holds no others"
)]
fn an_unknown_key_gets_a_hint(#[case] key: &str, #[case] expected: &str) {
    let (_directory, loaded) = loaded();
    assert_eq!(explain(&loaded, key).unwrap_err().to_string(), expected);
}

#[test]
fn an_explanation_says_what_the_key_means() {
    let (_directory, loaded) = loaded();
    let one = explain(&loaded, "sites.mustang.nodes.cores").unwrap();
    assert_eq!(one[0].meaning, "Cores of one node.");
}
