//! Moving files between home and a site, verified.
