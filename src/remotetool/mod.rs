//! The compat leaf `remotetool`: the old options, words and output over the new core.
