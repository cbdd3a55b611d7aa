mod args;
mod output;
mod words;
