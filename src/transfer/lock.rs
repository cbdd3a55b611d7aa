//! Locks that hold good after a panic: what they keep is whole between any two lines.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a mutex keeps, whatever became of who held it before.
pub(super) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
