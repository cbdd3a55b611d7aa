//! Asking for a run's status, harvesting its journal, bringing products back, importing dbinfo.
