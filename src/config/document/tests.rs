use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn messages(text: &str) -> Vec<String> {
    let (_, problems) = Tree::parse("f.yaml", text);
    problems.iter().map(ToString::to_string).collect()
}
