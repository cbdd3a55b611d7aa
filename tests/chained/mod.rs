//! Two stages of which the second one reads on scratch what the first one makes there.

/// Leaves what stage `b` reads, after `WAIT`: a command that ends in `&&`, or nothing.
pub(crate) const STAGE_A: &str = r#"
stage: a
components: {file: ../things.csv}
command: {sh: "WAIT mkdir -p work && echo made > work/{{ stage_id }}"}
outputs: [{remote: "work/{{ stage_id }}"}]
cost: {seconds: 1}
"#;

/// Reads on the site what stage `a` left there.
pub(crate) const STAGE_B: &str = r#"
stage: b
components: {file: ../things.csv}
inputs: [{remote: "work/{{ stage_id }}"}]
command: {sh: "mkdir -p sums && cat {{ input(0) }} > sums/{{ stage_id }}"}
outputs: [{remote: "sums/{{ stage_id }}", local: "products/{{ stage_id }}"}]
cost: {seconds: 1}
"#;
