//! state.db, the only truth: schema, tables with their transition functions, the event log; and the
//! files of a run directory.
