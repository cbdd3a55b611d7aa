//! `outrigger init`: a configuration to start from, and state.db.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{
    exit::{CliError, Exit},
    table::{note, print},
};
use crate::{
    config::{self, Loaded, StarterFile, site::Connection},
    state::Store,
};

/// Make a commented outrigger.yaml, a first stage with its inputs, and state.db.
///
/// What is there already stays as it is: beside an outrigger.yaml only the state.db that it names
/// is made.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  outrigger init survey
  outrigger init --dry-run")]
pub(super) struct InitArgs {
    /// Where.
    #[arg(value_name = "DIR", default_value = ".")]
    directory: PathBuf,
    /// Only tell what would be made.
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(arguments: &InitArgs) -> Result<Exit, CliError> {
    let root = std::path::absolute(&arguments.directory)
        .map_err(|error| failed(&arguments.directory, &error))?;
    let file = root.join(config::FILE_NAME);
    if file.exists() {
        kept(config::FILE_NAME);
    } else {
        for file in config::init_files(&root) {
            make(&root, &file, arguments.dry_run)?;
        }
    }
    if arguments.dry_run && !file.exists() {
        print("would make state.db\n")?;
        return Ok(Exit::Done);
    }
    let loaded = config::load(&file)?;
    let state = loaded.state_file();
    let shown = state.strip_prefix(&root).unwrap_or(&state).display();
    if state.exists() {
        Store::open(&state)?;
        kept(&shown.to_string());
    } else if arguments.dry_run {
        print(&format!("would make {shown}\n"))?;
    } else {
        if let Some(parent) = state.parent() {
            std::fs::create_dir_all(parent).map_err(|error| failed(parent, &error))?;
        }
        Store::create(&state)?;
        print(&format!("made {shown}\n"))?;
    }
    if !arguments.dry_run {
        make_own_scratch(&loaded, &root)?;
        print(&next(&arguments.directory))?;
    }
    Ok(Exit::Done)
}

fn make(root: &Path, file: &StarterFile, dry_run: bool) -> Result<(), CliError> {
    let path = root.join(file.path);
    if path.exists() {
        kept(file.path);
        return Ok(());
    }
    if dry_run {
        return print(&format!("would make {}\n", file.path));
    }
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(|error| failed(parent, &error))?;
    }
    std::fs::write(&path, &file.text).map_err(|error| failed(&path, &error))?;
    print(&format!("made {}\n", file.path))
}

/// Makes the scratch of sites that are this host, where it lies beside the configuration.
fn make_own_scratch(loaded: &Loaded, root: &Path) -> Result<(), CliError> {
    for site in loaded.config.sites.values() {
        let own = site.connection == Connection::None && site.scratch.starts_with(root);
        if own && !site.scratch.exists() {
            std::fs::create_dir_all(&site.scratch)
                .map_err(|error| failed(&site.scratch, &error))?;
        }
    }
    Ok(())
}

fn kept(name: &str) {
    note(&format!("kept {name}: it is there already"));
}

fn next(directory: &Path) -> String {
    let enter = if directory == Path::new(".") {
        String::new()
    } else {
        let directory = directory.display().to_string();
        let quoted = shlex::try_quote(&directory).map_or(directory.clone(), Into::into);
        format!("  cd {quoted}\n")
    };
    format!(
        "\nNext:
{enter}  outrigger check                      after each change of outrigger.yaml or a stage
  outrigger remote run --label first   everything that the stages offer
  outrigger status                     where everything stands
"
    )
}

fn failed(path: &Path, error: &std::io::Error) -> CliError {
    CliError::Failed(format!("{}: {error}", path.display()))
}
