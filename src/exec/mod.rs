//! Taking a prepared run to its site: stage in, submit exactly once.
