//! What may be asked of a site, and how it is decided what is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::units::{Bytes, Seconds};

/// Allocation formulas by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Formula {
    /// The worked example of the developer notes (seed 003).
    Seed,
    /// The final formula of the original (spec/remote.md §4), which may exceed the limits.
    Ipp,
    /// Never over the site's limits; an oversized bundle is split.
    #[default]
    Bounded,
    /// From what finished jobs took, by playing the launcher; `bounded` while there are too few.
    Calibrated,
}

/// What a site's queue likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Prefer {
    /// The fewest runs, and of these the fewest whole hours.
    #[default]
    Hours,
    /// The shortest walltime, in as many runs as that takes.
    Short,
    /// The fewest runs, and of these the most nodes.
    Wide,
}

/// Shape and number of a site's nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Nodes {
    /// Cores of one node.
    pub cores: u32,
    /// Memory of one node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
    /// Fewest nodes a request may name.
    pub min: u32,
    /// Most nodes a request may name.
    pub max: u32,
}

/// Shortest and longest walltime.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Walltime {
    /// Shortest walltime a request may name.
    pub min: Seconds,
    /// Longest walltime a request may name.
    pub max: Seconds,
}

impl Default for Nodes {
    fn default() -> Self {
        Self {
            cores: 1,
            memory: None,
            min: 1,
            max: 1,
        }
    }
}

impl Default for Walltime {
    fn default() -> Self {
        Self {
            min: Seconds(60),
            max: Seconds(8 * 3600),
        }
    }
}
