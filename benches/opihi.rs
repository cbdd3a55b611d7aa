//! Evaluations a second of the bodies that a scheduler runs over and over: what a load task and
//! a run task do before each job. Then a book of 100,000 pages: its memory against the bytes of
//! its own text, and how fast pages are found in it. `cargo bench --bench opihi`.

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

const PAGES: u32 = 100_000;

const WORDS: [&str; 12] = [
    "exp_id",
    "chip_id",
    "class_id",
    "camera",
    "workdir",
    "label",
    "reduction",
    "dbname",
    "dvodb",
    "state",
    "priority",
    "pantaskState",
];

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
        let rate = rate(&mut interpreter, word);
        println!("{word:>6}: {rate:>9.0} evaluations a second of {lines} commands");
    }
    fill(&mut interpreter);
    for (what, line) in [
        (
            "page 0 in INIT, the last of all",
            "book getpage pages 0 -var page -key pantaskState INIT",
        ),
        (
            "the same, and it runs and comes back",
            "book getpage pages 0 -var page -key pantaskState INIT; book setword pages $page \
             pantaskState RUN; book setword pages $page pantaskState INIT",
        ),
        (
            "page 0 by a word that nothing was found by",
            "book getpage pages 0 -var page -key camera GPC2",
        ),
        (
            "cleaning up where there is nothing",
            "book delpage pages -key pantaskState CRASH",
        ),
    ] {
        let rate = rate(&mut interpreter, line);
        println!("{rate:>9.0} a second: {what}");
    }
}

/// How often `text` runs in a second.
fn rate(interpreter: &mut Interpreter, text: &str) -> f64 {
    let body = Body::of(Path::new("bench"), text);
    let begin = Instant::now();
    let mut runs = 0_u32;
    while begin.elapsed().as_secs() < 2 {
        for _ in 0..10 {
            interpreter.run_body(&body).expect("the body runs");
        }
        runs += 10;
    }
    f64::from(runs) / begin.elapsed().as_secs_f64()
}

/// Fills the book `pages`, all of whose pages but the last are done, and tells its size.
fn fill(interpreter: &mut Interpreter) {
    let before = resident();
    let begin = Instant::now();
    let mut text = 0;
    let book = interpreter.books_mut().create("pages");
    for number in 0..PAGES {
        let name = format!("{number}:XY{:02}", number % 60);
        book.create(&name);
        text += name.len();
        for word in WORDS {
            let value = match word {
                "pantaskState" if number + 1 == PAGES => "INIT".to_owned(),
                "pantaskState" => "DONE".to_owned(),
                "camera" => "GPC1".to_owned(),
                "workdir" => format!("neb://@HOST@.0/gpc1/{number}"),
                word => format!("{word}{number}"),
            };
            text += word.len() + value.len();
            book.set_word(&name, word, &value);
        }
    }
    let words = f64::from(PAGES) * 12.0;
    let grown = resident().saturating_sub(before);
    #[expect(clippy::cast_precision_loss, reason = "less than 2^53 bytes")]
    let (grown_each, text_each) = (grown as f64 / words, text as f64 / words);
    println!(
        "{PAGES} pages of 12 words: {} MiB, {grown_each:.1} bytes a word; the text alone has \
         {text_each:.1} ({:.2} times); filled in {:.2} s",
        grown >> 20,
        grown_each / text_each,
        begin.elapsed().as_secs_f64(),
    );
}

/// The bytes of memory that the process holds.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("a Linux machine");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.trim().parse::<usize>().ok())
        .expect("a number")
        * 1024
}
