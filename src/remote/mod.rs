//! The remote policy: what to define, prepare, execute and poll next (design §1, §5).

mod allocation;
pub mod define;
mod drive;
mod foresight;
mod lease;
mod operate;
mod order;
mod prepare;
mod scratch;
mod span;
mod standing;
mod visit;
mod why;
mod workplace;

pub use allocation::{NEWEST, Reckoning};
pub use define::{DefineRequest, Defined, is_label};
pub use drive::{DriveOptions, Driven, Observer, Standing, Work};
pub use operate::Cleaned;
pub use prepare::{Prepared, Rehearsal};
pub use scratch::{Heap, ScratchReport};
pub use span::{due_again, wait_of};
pub use standing::StageStanding;
pub use why::{Failure, Why};
pub use workplace::{RemoteError, Workplace};
