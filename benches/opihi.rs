//! Evaluations a second of the bodies that a scheduler runs over and over: what a load task and
//! a run task do before each job. `cargo bench --bench opihi`.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench stops at the first thing that goes wrong"
)]

use std::{path::Path, time::Instant};

use outrigger::opihi::{Body, Flow, Interpreter, SystemHost};

const SETUP: &str = r#"
$DB:n = 1; $DB:0 = survey; $LABEL:n = 2; $LABEL:0 = a; $LABEL:1 = b; $turn = 0; $LIMIT = 32
book init none
book init runs
for i 0 40
  book newpage runs run.$i
  book setword runs run.$i state INIT
  book setword runs run.$i id $i
end
macro with.limit
  local line
  $line = $$1 -limit $LIMIT
  $$1 = $line
end
macro load
  $run = tool -list -state new
  if ($DB:n == 0)
    options DEFAULT
  else
    options $DB:$turn
    $run = $run -dbname $DB:$turn
    $turn ++
    if ($turn >= $DB:n) set turn = 0
  end
  with.limit run
  command $run
end
macro start
  book npages runs -var N
  if ($N == 0) break
  book getpage runs 0 -var page -key state INIT
  if ("$page" == "NULL") break
  book setword runs $page state INIT
  book getword runs $page id -var id
  sprintf out "%s/run_%s" /data $id
  $line = prepare.pl --id $id --path $out
  options $page
  periods -exec 0.05
  command $line
end
macro idle
  book npages none -var N
  if ($N == 0) return
  command never
end
"#;

fn main() {
    let host = SystemHost::new(|| jiff::Timestamp::UNIX_EPOCH).expect("a host");
    let mut interpreter = Interpreter::new(Box::new(host));
    for word in ["options", "periods", "command"] {
        interpreter.register(word, std::sync::Arc::new(|_, _| Ok(Flow::On)));
    }
    interpreter
        .run_text(Path::new("setup"), SETUP)
        .expect("the setup runs");
    for (word, lines) in [("load", 12), ("start", 11), ("idle", 2)] {
        let body = Body::of(Path::new("bench"), word);
        let begin = Instant::now();
        let mut runs = 0_u32;
        while begin.elapsed().as_secs() < 2 {
            for _ in 0..100 {
                interpreter.run_body(&body).expect("the body runs");
            }
            runs += 100;
        }
        let rate = f64::from(runs) / begin.elapsed().as_secs_f64();
        println!("{word:>6}: {rate:>9.0} evaluations a second of {lines} commands");
    }
}
