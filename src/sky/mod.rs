//! Small image programs that the binary carries: making, measuring and combining test frames.
