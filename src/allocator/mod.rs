//! Nodes × walltime from work: pure formulas, chosen by name.
