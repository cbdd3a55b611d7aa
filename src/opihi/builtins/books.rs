//! `book` (spec/pantasks.md §6).

use super::{
    super::{
        book::Book, error::Fault, interpreter::Interpreter, number::leading_integer, words::Args,
    },
    Entry, answer,
    options::Options,
};

pub(super) const COMMANDS: &[Entry] = &[(
    "book",
    "book list | init|create|delete|listbook|shuffle BOOK | npages BOOK [-var V] [-key WORD VALUE] \
     | getbook N [-var V] | newpage|listpage BOOK PAGE | getpage BOOK N [-var V] [-key WORD VALUE] \
     | delpage BOOK PAGE | delpage BOOK -key WORD VALUE | setword BOOK PAGE WORD VALUE | getword \
     BOOK PAGE WORD [-var V]",
    "keeps books: pages by name, with words that have values",
    book,
)];

fn book(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let action = args.get(1).ok_or(Fault::MISUSED)?;
    if action == "setword" {
        return set_word(interpreter, args);
    }
    let mut options = Options::of(args);
    let variable = options.value("-var");
    let key = options.pair("-key");
    let words = options.words().get(1..).unwrap_or_default();
    match (action, words, key) {
        ("list", [], None) => list(interpreter),
        ("init", [book], None) => {
            interpreter.books.delete(book);
            interpreter.books.create(book);
        },
        ("create", [book], None) => drop(interpreter.books.create(book).len()),
        ("delete", [book], None) => {
            if !interpreter.books.delete(book) {
                return Err(no_book(book));
            }
        },
        ("getbook", [index], None) => {
            let at = from_either_end(leading_integer(index), interpreter.books.len());
            let name = at.and_then(|at| interpreter.books.iter().nth(at));
            let name = name.map(|(name, _)| name.to_owned());
            found(interpreter, variable, name, || no_book(index))?;
        },
        ("listbook", [book], None) => {
            let pages = existing(interpreter, book)?.iter();
            let text: Vec<String> = pages
                .map(|(name, page)| format!("{name:<15} {:3}\n", page.len()))
                .collect();
            interpreter.err(&text.concat());
        },
        ("npages", [book], key) => {
            let book = existing(interpreter, book)?;
            let count = match key {
                None => book.len(),
                Some((key, value)) => book.count_matching(key, value),
            };
            match variable {
                Some(variable) => interpreter.set(variable, &count.to_string()),
                None => interpreter.err(&format!("{count} pages\n")),
            }
        },
        ("newpage", [book, page], None) => existing(interpreter, book)?.create(page),
        ("getpage", [book, index], key) => {
            let index = leading_integer(index);
            let Some(pages) = interpreter.books.get_mut(book) else {
                return found(interpreter, variable, None, || no_book(book));
            };
            let name = nth(pages, index, key).map(str::to_owned);
            let missing = || Fault::message(format!("page {index} not found in {book}"));
            found(interpreter, variable, name, missing)?;
        },
        ("delpage", [book, page], None) => {
            if !existing(interpreter, book)?.remove(page) {
                return Err(no_page(book, page));
            }
        },
        ("delpage", [book] | [book, _], Some((key, value))) => {
            existing(interpreter, book)?.remove_matching(key, value);
        },
        ("listpage", [book, page], None) => {
            let missing = || no_page(book, page);
            let page = existing(interpreter, book)?.page(page);
            let words = page.ok_or_else(missing)?.iter();
            let text: Vec<String> = words
                .map(|(word, value)| format!("{word:<15} {value:>15}\n"))
                .collect();
            interpreter.err(&text.concat());
        },
        ("getword", [book, page, word], None) => {
            let found_book = interpreter.books.get(book);
            let found_page = found_book.and_then(|book| book.page(page));
            let value = found_page
                .and_then(|page| page.get(word))
                .map(str::to_owned);
            let missing = match (found_book, found_page) {
                (None, _) => no_book(book),
                (_, None) => no_page(book, page),
                _ => Fault::message(format!(
                    "value {word} on page {page} in book {book} not found"
                )),
            };
            found(interpreter, variable, value, || missing)?;
        },
        ("shuffle", [book], None) => existing(interpreter, book)?.shuffle(),
        (
            "list" | "init" | "create" | "delete" | "getbook" | "listbook" | "npages" | "newpage"
            | "getpage" | "delpage" | "listpage" | "getword" | "shuffle",
            ..,
        ) => return Err(Fault::MISUSED),
        _ => return Err(Fault::message(format!("unknown book command {action}"))),
    }
    Ok(())
}

/// `book setword`, whose words are never options.
fn set_word(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let (Some(book), Some(page), Some(word), Some(value), 6) = (
        args.get(2),
        args.get(3),
        args.get(4),
        args.get(5),
        args.len(),
    ) else {
        return Err(Fault::MISUSED);
    };
    if existing(interpreter, book)?.set_word(page, word, value) {
        Ok(())
    } else {
        Err(no_page(book, page))
    }
}

fn no_book(name: &str) -> Fault {
    Fault::message(format!("book {name} not found"))
}

fn no_page(book: &str, page: &str) -> Fault {
    Fault::message(format!("page {page} in book {book} not found"))
}

fn list(interpreter: &mut Interpreter) {
    let books = interpreter.books.iter();
    let text: Vec<String> = books
        .map(|(name, book)| format!("{name:<15} {:3}\n", book.len()))
        .collect();
    interpreter.err(&text.concat());
}

fn existing<'a>(interpreter: &'a mut Interpreter, name: &str) -> Result<&'a mut Book, Fault> {
    let books = interpreter.books.get_mut(name);
    books.ok_or_else(|| no_book(name))
}

/// Answers with `value`. Where there is none, a variable becomes `NULL`, and without one it is a
/// failure.
fn found(
    interpreter: &mut Interpreter,
    variable: Option<&str>,
    value: Option<String>,
    missing: impl FnOnce() -> Fault,
) -> Result<(), Fault> {
    let value = match (value, variable) {
        (Some(value), _) => value,
        (None, Some(_)) => "NULL".to_owned(),
        (None, None) => return Err(missing()),
    };
    answer(interpreter, variable, &value);
    Ok(())
}

/// An index among `count` things: a negative one counts from the end.
fn from_either_end(index: i64, count: usize) -> Option<usize> {
    let at = match usize::try_from(index) {
        Ok(at) => at,
        Err(_) => count.checked_sub(usize::try_from(index.unsigned_abs()).ok()?)?,
    };
    (at < count).then_some(at)
}

fn nth<'a>(book: &'a mut Book, index: i64, key: Option<(&str, &str)>) -> Option<&'a str> {
    let at = from_either_end(index, book.len())?;
    match key {
        None => book.nth(at).map(|(name, _)| name),
        Some((key, value)) => book.nth_matching(key, value, at),
    }
}
