//! Exit codes of the IPP's tools, which its scheduler scripts tell apart.

/// How `remotetool` ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done; also when no row was found or changed by a listing or an update.
    Ok,
    /// Any failure without a class: a missing required option, no row to revert.
    Unknown,
    /// The machine or the database failed.
    Sys,
    /// The command line or the configuration is wrong.
    Config,
    /// The program is at fault.
    Prog,
    /// The data are at fault.
    Data,
}

impl Exit {
    /// The process exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Unknown => 1,
            Self::Sys => 2,
            Self::Config => 3,
            Self::Prog => 4,
            Self::Data => 5,
        }
    }
}
