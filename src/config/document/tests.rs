use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn messages(text: &str) -> Vec<String> {
    let (_, problems) = Tree::parse("f.yaml", text);
    problems.iter().map(ToString::to_string).collect()
}

fn tree(text: &str) -> Tree {
    let (tree, problems) = Tree::parse("f.yaml", text);
    assert_eq!(problems, []);
    tree.unwrap()
}

fn written(tree: &Tree, span: Span) -> &str {
    tree.source.get(span.start..span.end).unwrap()
}

fn top(key: &str) -> KeyPath {
    KeyPath::root().key(key)
}

#[rstest]
#[case(
    "a: b: c",
    "f.yaml:1:5: error: not YAML: mapping values are not allowed in this context (a value with `: ` in it must be in quotes; else check the indentation)"
)]
#[case(
    "a:\n\t- b",
    "f.yaml:2:2: error: not YAML: tabs disallowed within this context (block indentation) (indent with spaces)"
)]
#[case(
    "a: 1\nb: 2\na: 3",
    "f.yaml:3:1: error: `a` is given twice (it was given in line 1 already: keep one)"
)]
#[case(
    "a: {b: 1, \"b\": 2}",
    "f.yaml:1:11: error: `b` is given twice (it was given in line 1 already: keep one)"
)]
#[case(
    "a: {{ b }}",
    "f.yaml:1:4: error: a template needs quotes (write `\"{{ … }}\"`: without quotes, YAML reads braces as a map)"
)]
#[case(
    "a: {{ b }}.fits",
    "f.yaml:1:4: error: a template needs quotes (write `\"{{ … }}\"`: without quotes, YAML reads braces as a map)"
)]
#[case("? [a]\n: b", "f.yaml:1:3: error: a key must be a word")]
#[case(
    "a: !vault b",
    "f.yaml:1:4: error: the tag `!vault` has no meaning here (remove the tag)"
)]
#[case(
    "a: 1\n---\nb: 1",
    "f.yaml:2:1: error: a second document begins here (one file holds one document: remove the `---`)"
)]
#[case("<<: 3", "f.yaml:1:5: error: `<<` needs a map, or a list of maps")]
#[case(
    "a: *b",
    "f.yaml:1:4: error: not YAML: while parsing node, found unknown anchor"
)]
#[case(
    "é: [ä, *b]",
    "f.yaml:1:8: error: not YAML: while parsing node, found unknown anchor"
)]
fn what_is_not_a_plain_document_is_told_with_its_place(#[case] text: &str, #[case] first: &str) {
    assert_eq!(messages(text).first().map(String::as_str), Some(first));
}

#[test]
fn every_key_and_value_knows_its_place() {
    let tree = tree("sites:\n  mu:\n    dirs: [\"--a\", '--b'] # c\n    max: 24 # d\nü: &x end\n");
    let mu = top("sites").key("mu");
    let dirs = mu.key("dirs");
    assert_eq!(written(&tree, tree.locate(&dirs)), "[\"--a\", '--b']");
    assert_eq!(written(&tree, tree.locate(&dirs.index(1))), "'--b'");
    assert_eq!(written(&tree, tree.locate_key(&mu.key("max"))), "max");
    assert_eq!(written(&tree, tree.locate(&mu.key("max"))), "24");
    let max = tree.locate(&mu.key("max"));
    assert_eq!((max.line, max.column), (4, 10));
    assert_eq!(tree.locate_key(&top("ü")).line, 5);
}

#[test]
fn what_is_absent_is_placed_at_the_nearest_key_above() {
    let tree = tree("sites:\n  mu:\n    max: 24\n");
    let span = tree.locate(&top("sites").key("mu").key("nodes").key("cores"));
    assert_eq!(written(&tree, span), "mu");
}

#[rstest]
#[case("a: x {{ b }}", 5, (1, 9))]
#[case("a: \"x {{ b }}\"", 5, (1, 10))]
#[case("a: 'x {{ b }}'", 5, (1, 10))]
#[case("a: &q \"x {{ b }}\"", 5, (1, 13))]
#[case("a: |\n  one\n  two {{ b }}\n", 11, (3, 10))]
#[case("a: \"\\t{{ b }}\"", 4, (1, 4))]
#[case("a: >\n  one\n  two\n", 5, (2, 3))]
fn a_place_inside_a_scalar_is_exact_where_it_can_be(
    #[case] text: &str,
    #[case] offset: usize,
    #[case] place: (usize, usize),
) {
    let span = tree(text).locate_in(&top("a"), offset);
    assert_eq!((span.line, span.column), place);
}

#[test]
fn aliases_and_merges_are_followed_and_own_keys_win() {
    let tree = tree("base: &b {x: 1, y: 2}\nsame: *b\nmore: {<<: *b, y: 3, z: 4}\n");
    assert_eq!(
        tree.get(&top("same").key("x")).and_then(Node::text),
        Some("1")
    );
    let more = |key| tree.get(&top("more").key(key)).and_then(Node::text);
    assert_eq!(
        (more("x"), more("y"), more("z")),
        (Some("1"), Some("3"), Some("4"))
    );
}

#[test]
fn a_billion_laughs_are_refused_at_once() {
    let mut text = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for level in 1..20 {
        let before = format!("*a{}", level - 1);
        let list = vec![before; 9].join(", ");
        text = format!("{text}a{level}: &a{level} [{list}]\n");
    }
    assert_eq!(
        messages(&text),
        [
            "f.yaml:5:5: error: more than 100000 values (aliases multiply what they stand for: use fewer)"
        ]
    );
}

#[test]
fn long_scalars_behind_aliases_count_for_their_length() {
    let text = format!(
        "a: &a {}\nb: [{}]\n",
        "x".repeat(500_000),
        vec!["*a"; 100].join(", ")
    );
    assert!(
        messages(&text)
            .iter()
            .any(|m| m.contains("more than 100000 values"))
    );
}

#[rstest]
#[case("[".repeat(10_000))]
#[case("- ".repeat(10_000))]
#[case("{a: ".repeat(10_000))]
fn deep_nesting_is_refused(#[case] text: String) {
    let messages = messages(&text);
    assert_eq!(messages.len(), 1);
    assert!(messages[0].ends_with("error: nested deeper than 48 levels"));
}

#[test]
fn nesting_by_aliases_is_refused_too() {
    let text: String = (1..20_000).fold("a0: &a0 [x]\n".into(), |text: String, level| {
        text + &format!("a{level}: &a{level} [*a{}]\n", level - 1)
    });
    assert!(messages(&text)[0].ends_with("error: nested deeper than 48 levels"));
}

#[test]
fn a_file_over_the_bound_is_refused() {
    let text = "a: 1\n".repeat(300_000);
    assert_eq!(
        messages(&text),
        ["f.yaml:1:1: error: the file is larger than 1048576 bytes"]
    );
}

#[rstest]
#[case("")]
#[case("# only a comment\n")]
#[case("---\n...\n")]
fn a_file_that_says_nothing_is_an_empty_map(#[case] text: &str) {
    assert_eq!(tree(text).root.value, Value::Map(Vec::new()));
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC*") {
        let _ = Tree::parse("f.yaml", text);
    }

    #[test]
    fn no_text_of_yaml_signs_makes_the_reader_panic(
        text in "([-:?,&*!|>'\"%@`{}\\[\\]#ab<~ \t\r\né0]|\n  |: |- |\\{\\{|<<: |&a |\\*a |!!str )*"
    ) {
        let (tree, problems) = Tree::parse("f.yaml", text.as_str());
        prop_assert!(tree.is_some() || !problems.is_empty());
        for problem in &problems {
            let span = problem.span.unwrap();
            prop_assert!(text.get(span.start..span.end).is_some());
            prop_assert!(span.line >= 1 && span.column >= 1);
        }
        let _ = crate::config::problem::render(&problems, crate::config::problem::Look::Plain);
    }

    #[test]
    fn scalars_of_flow_lists_are_placed_where_they_stand(
        words in prop::collection::vec("[a-zé]{1,8}", 1..8)
    ) {
        let text = format!("list: [{}]\n", words.join(", "));
        let tree = tree(&text);
        for (index, word) in words.iter().enumerate() {
            let span = tree.locate(&top("list").index(index));
            prop_assert_eq!(written(&tree, span), word);
        }
    }
}
