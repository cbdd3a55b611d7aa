//! From stage recipes to a run directory: jobs, manifest, multi-prog chunks, batch script.
