//! Opening the workplace that a command works in.

use std::{path::PathBuf, time::Duration};

use super::{Global, exit::CliError};
use crate::{config, remote::Workplace, state::Store};

/// Loads the configuration and opens state.db.
pub(super) fn open(global: &Global) -> Result<Workplace, CliError> {
    let loaded = config::load(&global.config)?;
    let store = Store::open(&loaded.state_file())?;
    store.set_patience(Duration::from_secs(global.db_wait.0))?;
    Ok(Workplace::new(loaded, store, own_program()?))
}

/// This very program.
pub(super) fn own_program() -> Result<PathBuf, CliError> {
    std::env::current_exe()
        .map_err(|error| CliError::Failed(format!("cannot tell where this program is: {error}")))
}

/// Runs a future to its end.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| CliError::Failed(format!("cannot start: {error}")))?;
    Ok(runtime.block_on(future))
}
