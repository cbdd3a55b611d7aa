//! When a request would begin, as the scheduler sees it now.

use jiff::Timestamp;
use serde::Serialize;

/// When a request would begin. It is a guess of the scheduler's: jobs end early, others come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Foresight {
    /// At once.
    Now,
    /// At a time.
    At(Timestamp),
    /// The scheduler does not say, or would not take it; its words.
    Unknown(String),
}

impl Foresight {
    /// The answer of a scheduler that foresees nothing, to so many requests.
    pub(super) fn none(requests: usize) -> Vec<Self> {
        vec![Self::Unknown("this scheduler does not foresee".to_owned()); requests]
    }
}
