//! `book` and `ipptool2book` (spec/pantasks.md §6).

use super::{
    super::{
        book::{Book, Page},
        error::Fault,
        interpreter::Interpreter,
        number::leading_integer,
        rows,
        words::Args,
    },
    Simple,
    options::Options,
};

pub(super) const COMMANDS: &[(&str, Simple)] = &[
    ("book", book),
    ("ipptool2book", ipptool2book),
    ("queue2book", ipptool2book),
];

const USAGE: Fault = Fault::Usage(
    "book list | init|create|delete|listbook|shuffle BOOK | npages BOOK [-var V] [-key K V] | \
     getbook N [-var V] | newpage|listpage BOOK PAGE | getpage BOOK N [-var V] [-key K V] | \
     delpage BOOK PAGE|-key K V | setword BOOK PAGE WORD VALUE | getword BOOK PAGE WORD [-var V]",
);

fn book(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut options = Options::of(args);
    let action = *options.words().first().ok_or(USAGE)?;
    if action == "setword" {
        let &[_, book, page, word, value] = options.words() else {
            return Err(USAGE);
        };
        let page = existing(interpreter, book)?
            .page_mut(page)
            .ok_or_else(|| Fault::message(format!("page {page} not found in book {book}")))?;
        value.clone_into(page.entry(word.into()).or_default());
        return Ok(());
    }
    let variable = options.value("-var");
    let key = options.pair("-key");
    match (options.words(), key) {
        (["list"], None) => list(interpreter),
        (["init", book], None) => interpreter.books.create(book).clear(),
        (["create", book], None) => drop(interpreter.books.create(book).len()),
        (["delete", book], None) => {
            if !interpreter.books.delete(book) {
                return Err(Fault::message(format!("book {book} not found")));
            }
        },
        (["getbook", index], None) => {
            let index = usize::try_from(leading_integer(index)).ok();
            let name = index.and_then(|index| interpreter.books.iter().nth(index));
            let name = name.map_or("NULL", |(name, _)| name).to_owned();
            answer(interpreter, variable, &name, &name);
        },
        (["listbook", book], None) => {
            let pages = existing(interpreter, book)?.iter();
            let text = pages
                .map(|(name, page)| format!("{name:<15} {:3}\n", page.len()))
                .collect::<Vec<_>>()
                .concat();
            interpreter.err(&text);
        },
        (["npages", book], key) => {
            let count = match (interpreter.books.get(book), key) {
                (None, _) => 0,
                (Some(book), None) => book.len(),
                (Some(book), Some((key, value))) => book.matching(key, value).count(),
            };
            answer(
                interpreter,
                variable,
                &count.to_string(),
                &format!("{count} pages"),
            );
        },
        (["newpage", book, page], None) => {
            existing(interpreter, book)?.create(page);
        },
        (["getpage", book, index], key) => {
            let found = interpreter.books.get(book);
            let name = found.and_then(|book| nth(book, leading_integer(index), key));
            let name = name.unwrap_or("NULL").to_owned();
            answer(interpreter, variable, &name, &name);
        },
        (["delpage", book, page], None) => existing(interpreter, book)?.remove(page),
        (["delpage", book], Some((key, value))) => {
            existing(interpreter, book)?.remove_matching(key, value);
        },
        (["listpage", book, page], None) => {
            let missing = || Fault::message(format!("page {page} not found in book {book}"));
            let page = existing(interpreter, book)?
                .page(page)
                .ok_or_else(missing)?;
            let words = page.iter();
            let text = words
                .map(|(word, value)| format!("{word:>15} {value:>15}\n"))
                .collect::<Vec<_>>()
                .concat();
            interpreter.err(&text);
        },
        (["getword", book, page, word], None) => {
            let page = interpreter.books.get(book).and_then(|book| book.page(page));
            let value = page.and_then(|page| page.get(*word));
            let value = value.map_or("NULL", String::as_str).to_owned();
            answer(interpreter, variable, &value, &value);
        },
        (["shuffle", book], None) => existing(interpreter, book)?.shuffle(),
        _ => return Err(USAGE),
    }
    Ok(())
}

fn list(interpreter: &mut Interpreter) {
    let books = interpreter.books.iter();
    let text = books
        .map(|(name, book)| format!("{name:<15} {:3}\n", book.len()))
        .collect::<Vec<_>>()
        .concat();
    interpreter.err(&text);
}

fn existing<'a>(interpreter: &'a mut Interpreter, name: &str) -> Result<&'a mut Book, Fault> {
    let missing = || Fault::message(format!("book {name} not found"));
    interpreter.books.get_mut(name).ok_or_else(missing)
}

fn nth<'a>(book: &'a Book, index: i64, key: Option<(&'a str, &'a str)>) -> Option<&'a str> {
    let name = |(name, _): (&'a str, &'a Page)| name;
    match (usize::try_from(index), key) {
        (Ok(index), None) => book.iter().nth(index).map(name),
        (Ok(index), Some((key, value))) => book.matching(key, value).nth(index).map(name),
        (Err(_), None) => {
            let from_end = usize::try_from(-(index + 1)).ok()?;
            book.iter().nth_back(from_end).map(name)
        },
        (Err(_), Some(_)) => None,
    }
}

fn answer(interpreter: &mut Interpreter, variable: Option<&str>, value: &str, shown: &str) {
    match variable {
        Some(name) => interpreter.set(name, value),
        None => interpreter.err(&format!("{shown}\n")),
    }
}

fn ipptool2book(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut options = Options::of(args);
    let unique = options.flag("-uniq");
    options.flag("-raw-columns");
    let keys = options.value("-key");
    let mut preset = Vec::new();
    while let Some(pair) = options.pair("-setword") {
        preset.push(pair);
    }
    let &[queue, book] = options.words() else {
        return Err(Fault::Usage(
            "ipptool2book QUEUE BOOK [-uniq] [-key A:B] [-setword WORD VALUE]...",
        ));
    };
    interpreter.books.create(book);
    if interpreter.queues.get(queue).is_none() {
        interpreter.err(&format!("queue {queue} not found\n"));
        return Ok(());
    }
    let lines = std::mem::take(interpreter.queues.create(queue));
    let (rows, errors) = rows::rows(lines.iter().map(String::as_str));
    for error in errors {
        interpreter.err(&format!("{error}\n"));
    }
    let book = interpreter.books.create(book);
    for row in rows {
        let name = match keys {
            Some(keys) => page_name(&row, keys)?,
            None => format!("page.{:03}", book.len()),
        };
        if unique && book.page(&name).is_some() {
            continue;
        }
        let page = book.create(&name);
        for (word, value) in row.iter().chain(&preset) {
            page.insert((*word).into(), (*value).to_owned());
        }
    }
    Ok(())
}

fn page_name(row: &[(&str, &str)], keys: &str) -> Result<String, Fault> {
    let mut name = String::new();
    for (index, key) in keys.split(':').enumerate() {
        let value = row.iter().rfind(|(word, _)| *word == key);
        let Some((_, value)) = value else {
            return Err(Fault::message(format!("ERROR: missing key {key} for ID")));
        };
        if index > 0 {
            name.push(':');
        }
        name.push_str(value);
    }
    Ok(name)
}
