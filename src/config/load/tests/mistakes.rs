//! One mistake each: the place, the message and the mend.

use rstest::rstest;

use super::*;

fn in_site(lines: &str) -> Vec<String> {
    in_config(&format!("sites:\n  mu:\n    scratch: /s\n    {lines}\n"))
}

fn in_recipe(text: &str) -> Vec<String> {
    found(parse_recipe("chip.yaml".into(), text.into()))
}

fn with_chip(lines: &str) -> Vec<String> {
    in_recipe(&format!("{CHIP}{lines}\n"))
}

#[rstest]
#[case(
    "acount: x",
    "4:5: error: unknown key `acount` (did you mean `account`?)"
)]
#[case(
    "transfer: {program: bin/outrigger}",
    "4:25: error: `bin/outrigger` is not an absolute path (begin with `/`)"
)]
#[case(
    "transfer: {sources: [{host: -x, under: /d}]}",
    "4:33: error: `-x` is not the name of a host"
)]
#[case(
    "transfer: {sources: [{host: ipp053, under: data}]}",
    "4:48: error: `data` is not an absolute path (begin with `/`)"
)]
#[case(
    "array: {nodes: 2}",
    "4:20: error: a task of 2 nodes is not within the site's own `nodes.min` (1) and `nodes.max` (1) (each task is a request of its own)"
)]
#[case(
    "array: {max_running: 0}",
    "4:26: error: `max_running` must be at least 1 (leave it out if the scheduler may run as many as it likes)"
)]
#[case(
    "array: {max_tasks: 0}",
    "4:24: error: `max_tasks` must be from 1 to 4000001, not 0 (`scontrol show config` tells Slurm's `MaxArraySize`)"
)]
#[case(
    "cores: 3",
    "4:5: error: unknown key `cores` (it belongs under `nodes`: `nodes.cores`)"
)]
#[case(
    "scheduler: slrum",
    "4:16: error: `scheduler` must be `local`, `slurm`, `moab` or `slurmrestd`, not `slrum` (did you mean `slurm`?)"
)]
#[case(
    "nodes: {cores: many}",
    "4:20: error: `cores` must be a whole number, not `many`"
)]
#[case(
    "nodes: {cores: '24'}",
    "4:20: error: `cores` must be a whole number, not the text `24` (write it without quotes)"
)]
#[case(
    "nodes: {cores: -1}",
    "4:20: error: `cores` must be from 0 to 4294967295, not -1"
)]
#[case(
    "nodes: {cores: 99999999999}",
    "4:20: error: `cores` must be from 0 to 4294967295, not 99999999999"
)]
#[case(
    "nodes: {cores: 0}",
    "4:20: error: `cores` must be at least 1 (a node has at least one core)"
)]
#[case(
    "nodes: {memory: 64 GiBB}",
    "4:21: error: `64 GiBB` is not a size (write a number and B, kB, MB, GB, TB, KiB, MiB, GiB or TiB, as in `64 GiB`)"
)]
#[case(
    "nodes: {min: 5, max: 2}",
    "4:26: error: `max` (2) is less than `min` (5) (no number of nodes would do)"
)]
#[case("nodes: 24", "4:12: error: `nodes` must be a map, not `24`")]
#[case(
    "walltime: {max: 8 lightyears}",
    "4:21: error: `8 lightyears` is not a time (write `8h`, `90m`, `1h30m`, `2d`, `1:30:00` or seconds)"
)]
#[case(
    "walltime: {min: 9h, max: 8h}",
    "4:30: error: `max` (8:00:00) is less than `min` (9:00:00) (no walltime would do)"
)]
#[case(
    "walltime: {min: 9h}",
    "4:5: error: `max` (8:00:00) is less than `min` (9:00:00) (no walltime would do)"
)]
#[case(
    "fill_factor: 1.5",
    "4:18: error: `fill_factor` must be above 0 and at most 1, not 1.5 (0.8 leaves a fifth of an allocation as a margin)"
)]
#[case(
    "fill_factor: .nan",
    "4:18: error: `fill_factor` must be a number, not `.nan`"
)]
#[case(
    "scratch_budget: 0",
    "4:21: error: `scratch_budget` must be more than nothing (leave it out if nothing limits the scratch)"
)]
#[case(
    "scratch_clean: oldest-finished",
    "4:20: error: `scratch_clean` without `scratch_budget` cleans nothing (say how much may be there: `scratch_budget: 100 TB`)"
)]
#[case(
    "purge_age: 5m",
    "4:16: error: `purge_age` must be at least an hour (leave it out if the site purges nothing)"
)]
#[case(
    "resident: [refcat]",
    "4:16: error: `refcat` is not an absolute path (begin with `/`)"
)]
#[case(
    "resident: /refcat",
    "4:15: error: `resident` must be a list of text, not `/refcat` (write `[/refcat]`)"
)]
#[case(
    "directives: [\"#SBATCH --x\"]",
    "4:18: error: a directive stands without its `#SBATCH` or `#MSUB` (give only what follows it, such as `--mail-type=FAIL`)"
)]
#[case(
    "directives: [\"--x\\n#MSUB -q y\"]",
    "4:18: error: a directive is one line (give each directive as an element of its own)"
)]
#[case(
    "directives: [a, ]\n    account: \"a b\"",
    "5:14: error: `account` must be one word (it goes into the batch script's directives as it is)"
)]
#[case(
    "chunk: {max_bytes: 10}",
    "4:24: error: `max_bytes` must be from 1 KiB to 512 MiB, not 10 B (srun before 25.05.2 takes up to 60000 bytes, later ones up to 512 MiB)"
)]
#[case(
    "chain: afterok",
    "4:12: error: `chain` must be `true` or `false`, not `afterok`"
)]
#[case(
    "chunk: {lanes: 0}",
    "4:20: error: `lanes` must be from 1 to 64, not 0 (each lane is a process of srun on the first node; 1 is one step after the other)"
)]
#[case(
    "connection: direct",
    "4:17: error: `connection` must be `none`, or a map with `host`, not `direct` (`none`: The site is this host; a map with `host`: Over an OpenSSH ControlMaster that a human opened)"
)]
#[case(
    "connection: {user: me}",
    "4:5: error: `connection` has no `host` (The front end, as ssh knows it (a name or a `Host` of the ssh config).)"
)]
#[case(
    "connection: {host: fe, sesions: 3}",
    "4:28: error: unknown key `sesions` (did you mean `sessions`?)"
)]
#[case(
    "connection: {host: fe, sessions: 0}",
    "4:38: error: `sessions` must be at least 1 (half of what the server's MaxSessions allows is safe; the usual MaxSessions is 10)"
)]
#[case(
    "connection: {host: fe, lines: 4}",
    "4:35: error: `lines` needs a `jump` that forwards (without one, each master is a login of its own: set `logins`)"
)]
#[case(
    "connection: {host: fe, jump: b, logins: 5, lines: 4}",
    "4:55: error: `logins` times `lines` is more than 16 masters"
)]
#[case(
    "connection: {host: fe, nested: true}",
    "4:36: error: `nested` says how to get on from a bastion, and there is no `jump` (name the bastion in `jump`)"
)]
#[case(
    "transfer: {engine: scp}\n    connection: {host: fe, jump: b, nested: true}",
    "4:24: error: `scp` and `rsync` would leave the files on a `nested` bastion (leave `engine` out: tar streams go on to the front end)"
)]
#[case(
    "connection: {host: -oProxyCommand=x}",
    "4:24: error: `-oProxyCommand=x` cannot be a `host` for ssh (give one word that does not begin with `-`)"
)]
#[case(
    "connection: {host: fe, socket: /a123456789/b123456789/c123456789/d123456789/e123456789/f123456789/g123456789/h123456789}",
    "4:36: error: the socket's path has 88 characters; 79 is the most (take a shorter one, such as `~/.ssh/or-site`)"
)]
#[case(
    "rest: {socket: /run/sock}",
    "4:11: error: `rest` is for `scheduler: slurmrestd` alone (say where it is: `rest: {socket: /run/slurmrestd/slurmrestd.socket}`)"
)]
#[case(
    "scheduler: slurmrestd\n    rest: {}",
    "5:11: error: `rest` needs either `socket` or `url` (`socket` is a path where commands run, `url` is reached from this host)"
)]
#[case(
    "scheduler: slurmrestd\n    rest: {url: mu-fe}",
    "5:17: error: `mu-fe` is not a URL (begin with `http://` or `https://`)"
)]
#[case(
    "scheduler: slurmrestd\n    connection: {host: fe, jump: b, nested: true}\n    rest: {socket: /run/sock}",
    "6:20: error: a `nested` bastion forwards nothing, so no socket behind it can be reached (give a `url` that can be reached from this host, or use `scheduler: slurm`)"
)]
#[case(
    "profile: lnl",
    "4:14: error: there is no profile `lnl` (did you mean `lanl`?)"
)]
#[case(
    "profile: nersc",
    "4:14: error: there is no profile `nersc` (there are `lanl` and `uhcray`)"
)]
#[case(
    "account:\n    account: x",
    "5:5: error: `account` is given twice (it was given in line 4 already: keep one)"
)]
fn a_mistake_in_a_site_is_told_with_place_and_mend(#[case] lines: &str, #[case] expected: &str) {
    assert_eq!(in_site(lines), [format!("outrigger.yaml:{expected}")]);
}

#[rstest]
#[case("", "1:1: error: `sites` is missing (The batch clusters, by name.)")]
#[case(
    "sites:",
    "1:1: error: `sites` has no value (The batch clusters, by name.)"
)]
#[case(
    "sites: {}",
    "1:1: error: `sites` names no site (add one: `local: {scratch: /an/absolute/directory}`)"
)]
#[case(
    "sites:\n  mu:",
    "2:3: error: `mu` has no `scratch` (Directory on the site under which everything of ours lives; absolute.)"
)]
#[case(
    "sites: {mu: {scratch: rel}}",
    "1:23: error: `rel` is not an absolute path (begin with `/`)"
)]
#[case(
    "sites: {m u: {scratch: /s}}",
    "1:9: error: `m u` cannot be the name of a site (use letters, digits, `_`, `-` and `.`, and begin with a letter or digit)"
)]
#[case(
    "sites: {mu: {scratch: /s}}\nnotify: {webhook: me@x}",
    "2:19: error: `me@x` is not a URL (begin with `http://` or `https://`)"
)]
#[case(
    "- sites",
    "1:1: error: the file must be a map with `sites`, not a list"
)]
fn a_mistake_at_the_top_is_told_with_place_and_mend(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(in_config(text), [format!("outrigger.yaml:{expected}")]);
}

#[rstest]
#[case(
    "pre: [mkdir, -p, x]",
    "4:6: error: `pre` is a list of lists: each element is a list, or a map with `sh` (put this one into a list of its own: `[[…]]`, or `- […]` in a line)"
)]
#[case(
    "post:\n  - rm\n  - [ls]",
    "5:5: error: `post[0]` must be a list, or a map with `sh`, not `rm` (a list: Program and arguments; no shell; a map with `sh`: A POSIX shell line; what templates put in is quoted)"
)]
#[case(
    "pre: [{shell: ls}]",
    "4:8: error: unknown key `shell` (known here: `sh`)"
)]
#[case("pre: [[]]", "4:7: error: a step without a program")]
#[case(
    "pre: [[ls, {arg: [x]}]]",
    "4:13: error: unknown key `arg` (did you mean `args`?)"
)]
#[case(
    "inputs: [{local: a}]",
    "4:10: error: `inputs[0]` has no `remote` (Path on the site, relative to its scratch or absolute.)"
)]
#[case(
    "inputs: [{remote: a, as: x}]",
    "4:22: error: `as` needs `each` (`as` names the elements of the list that `each` gives)"
)]
#[case(
    "inputs: [{remote: a, each: \"{{ xs }}\"}]",
    "4:28: error: `each` is an expression, without braces (write `imfile.parts`, not `\"{{ imfile.parts }}\"`)"
)]
#[case(
    "outputs: [{remote: a, required: yes}]",
    "4:33: error: `required` must be `true` or `false`, not `yes` (write `true`, without quotes)"
)]
#[case(
    "outputs: [{remote: a}, {remote: a}]",
    "4:33: error: outputs 0 and 1 are the same file (remove one, or give each a `when` that excludes the other)"
)]
#[case(
    "vars: {run: x}",
    "4:8: error: `run` means something else in templates (take another name)"
)]
#[case(
    "vars: {a-b: x}",
    "4:8: error: `a-b` cannot be a name in templates (use letters, digits and `_`, and begin with a letter)"
)]
#[case(
    "jobs: {for_each: imfile}",
    "4:1: error: `jobs` has no `key` (What tells the jobs of a component apart, stable across retries.)"
)]
#[case(
    "jobs: {for_each: imfile, key: a, by: b}",
    "4:34: error: `by` needs `from` with a `file` or a `command` (a query selects by `:field`; a list in the component's row needs no selection)"
)]
#[case(
    "jobs: {for_each: i, key: a, from: {fil: x.csv}}",
    "4:36: error: unknown key `fil` (did you mean `file`?)"
)]
#[case(
    "jobs: {for_each: i, key: a, from: {file: x.csv, sql: y}}",
    "4:49: error: `sql` is one too many: give one of `sql`, `file` or `command`"
)]
#[case(
    "lookups: {d: {from: {file: a.csv}, params: [t, t], match: {}, value: v}}",
    "4:48: error: `t` is given twice"
)]
#[case(
    "lookups: {d: {from: {file: a.fits}, params: [t], match: {}, value: v}}",
    "4:28: error: `a.fits` is of no known kind (a table is a .csv, .jsonl, .json, .mdc or .md file)"
)]
#[case("cost: {threads: 0}", "4:17: error: `threads` must be at least 1")]
#[case(
    "cost: {seconds: 5m, limit: 1m}",
    "4:28: error: `limit` is less than the expected `seconds` (most jobs would be killed)"
)]
#[case(
    "dbinfo: {table: runs, key: [a], columns: {a: integer}, from: f}",
    "4:17: error: the table `runs` belongs to the database itself (take another name)"
)]
#[case(
    "dbinfo: {table: SQLite_x, key: [a], columns: {a: integer}, from: f}",
    "4:17: error: the table `SQLite_x` belongs to the database itself (take another name)"
)]
#[case(
    "dbinfo: {table: \"a;b\", key: [a], columns: {a: integer}, from: f}",
    "4:17: error: `a;b` cannot be the name of a table (use letters, digits and `_`, and begin with a letter)"
)]
#[case(
    "dbinfo: {table: t, key: [exp_di], columns: {exp_id: integer}, from: f}",
    "4:26: error: there is no column `exp_di` (did you mean `exp_id`?)"
)]
#[case(
    "dbinfo: {table: t, key: [a], columns: {a: int}, from: f}",
    "4:43: error: `a` must be `integer`, `real` or `text`, not `int`"
)]
#[case(
    "dbinfo: {table: t, key: [a], columns: {a: text, A: text}, from: f}",
    "4:49: error: `a` and `A` are one column to SQL (it does not tell upper from lower case)"
)]
#[case(
    "dbinfo: {table: t, key: [a], columns: {a: text}, values: {b: x}, from: f}",
    "4:59: error: there is no column `b` (did you mean `a`?)"
)]
#[case(
    "dbinfo: {table: t, key: [a], columns: {a: text}, optional: [a], from: f}",
    "4:61: error: `a` identifies the record and cannot be missing"
)]
#[case(
    "dbinfo: {table: t, key: [a], columns: {a: text}, from: f, legacy: g}",
    "4:59: error: `from` and `legacy` exclude each other (`from` names a file with a record, `legacy` one with a command line)"
)]
#[case(
    "dbinfo: {table: t, key: [a], columns: {a: text, bg: real}, values: {a: x}}",
    "4:49: error: nothing gives `bg` (add it to `values`, or name in `from` the file in which the job reports it)"
)]
#[case(
    "precheck: {files: [a], otherwise: {q: 4242}}",
    "4:1: error: `precheck` needs `dbinfo` (it reports a record when a file is missing)"
)]
#[case(
    "next: {stage: x}",
    "4:1: error: `next` has no `id` (Template of its `stage_id`.)"
)]
#[case(
    "next: [x]",
    "4:7: error: `next` must be text, or a map with `id` and `stage`, not a list (text: The stage, under the same `stage_id`; a map with `id` and `stage`: The stage, under a `stage_id` computed from the component's row)"
)]
#[case(
    "alias: [\"a b\"]",
    "4:9: error: `a b` cannot be the name of a stage (use letters, digits, `_`, `-` and `.`, and begin with a letter or digit)"
)]
fn a_mistake_in_a_recipe_is_told_with_place_and_mend(#[case] lines: &str, #[case] expected: &str) {
    assert_eq!(with_chip(lines), [format!("chip.yaml:{expected}")]);
}

#[rstest]
#[case(
    "stage: ''\ncomponents: {file: a.csv}\ncommand: [x]",
    "1:8: error: `` cannot be the name of a stage (use letters, digits, `_`, `-` and `.`, and begin with a letter or digit)"
)]
#[case(
    "stage: s\ncomponents: a.csv\ncommand: [x]",
    "2:13: error: `components` must be a map with `sql`, `file` or `command`, not `a.csv`"
)]
#[case(
    "stage: s\ncomponents: {}\ncommand: [x]",
    "2:1: error: `components` needs `sql`, `file` or `command`"
)]
#[case(
    "stage: s\ncomponents: {file: a.csv}\ncommand: ls -l",
    "3:10: error: `command` must be a list, or a map with `sh`, not `ls -l` (a list: Program and arguments; no shell; a map with `sh`: A POSIX shell line; what templates put in is quoted)"
)]
#[case(
    "stage: s\ncomponents: {file: a.csv}",
    "1:1: error: `command` is missing (The command.)"
)]
fn a_mistake_in_what_every_recipe_needs_is_told(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(in_recipe(text), [format!("chip.yaml:{expected}")]);
}
