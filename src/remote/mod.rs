//! The remote policy: what to define, prepare, exec and poll next.
