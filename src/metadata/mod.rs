//! psLib metadata-config text: reader and writer.
