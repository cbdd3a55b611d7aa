//! What the scripts that land files on a site have in common: how a file gets its name.

/// Shell functions for the front of a script, as a literal for `concat!`. The script sets `here`
/// to the mount point of the directory in which it works.
///
/// - `mount PATH…`: the mount point of each, a line each.
/// - `free`: tells the bytes free where it works, in KiB.
/// - `place FILE TARGET MOUNT PART`: gives the file its name by a rename; where the target's MOUNT
///   is another one, by way of PART beside the target. Prints why it cannot.
macro_rules! placing {
    () => {
        r#"
mount() { df -P -- "$@" 2>/dev/null | sed '1d;s/.*[0-9]% *//'; }
free() { df -Pk . 2>/dev/null | { read -r _; read -r _ _ _ f _; echo "or free $f"; }; }
place() {
    if [ -d "$2" ]; then echo 'it is a directory'; return 1; fi
    if [ "$3" = "$here" ]; then mv -f -- "$1" "$2" 2>&1; return; fi
    mv -f -- "$1" "$4" 2>&1 && mv -f -- "$4" "$2" 2>&1 && return
    rm -f -- "$4"
    return 1
}
"#
    };
}
pub(super) use placing;
