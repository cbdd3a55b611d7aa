//! Batch schedulers: Slurm, Moab and the embedded local one, behind one trait.
