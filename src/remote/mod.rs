//! The remote policy: what to define, prepare, execute and poll next (design §1, §5).

pub mod define;
mod drive;
mod lease;
mod notice;
mod operate;
mod prepare;
mod workplace;

pub use define::{DefineRequest, Defined};
pub use drive::{DriveOptions, Driven, Observer};
pub use operate::Cleaned;
pub use prepare::Prepared;
pub use workplace::{RemoteError, Workplace};
