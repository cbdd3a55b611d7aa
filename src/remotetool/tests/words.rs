use rstest::rstest;

use crate::remotetool::*;

#[rstest]
#[case("new", "new")]
#[case("pending", "pending")]
#[case("staging", "pending")]
#[case("submitting", "pending")]
#[case("run", "run")]
#[case("returning", "run")]
#[case("importing", "run")]
#[case("auth:staging", "auth")]
#[case("full", "full")]
#[case("error:prepare", "prep_fail")]
#[case("error:exec", "exec_fail")]
#[case("error:poll", "exec_fail")]
#[case("hold:run", "hold")]
#[case("cancelled", "cancelled")]
#[case("cleaned", "cleaned")]
fn a_runs_state_has_one_old_word_and_the_word_finds_the_state(
    #[case] state: &str,
    #[case] old: &str,
) {
    let word = RunWord::of_state(state).unwrap();
    assert_eq!(word.to_string(), old);
    assert_eq!(old.parse(), Ok(word));
    assert!(word.states().contains(&state));
}

#[rstest]
#[case("new", "new")]
#[case("prepared", "prep_done")]
#[case("prep_failed", "prep_fail")]
#[case("failed", "fail")]
#[case("partial", "fail")]
#[case("passed", "pass")]
#[case("retry", "retry")]
fn a_components_state_has_one_old_word_and_the_word_finds_the_state(
    #[case] state: &str,
    #[case] old: &str,
) {
    let word = ComponentWord::of_state(state).unwrap();
    assert_eq!(word.to_string(), old);
    assert_eq!(old.parse(), Ok(word));
    assert!(word.states().contains(&state));
}

#[test]
fn what_is_no_state_has_no_word() {
    assert_eq!(RunWord::of_state("auth"), None);
    assert_eq!(ComponentWord::of_state("prep_done"), None);
}
