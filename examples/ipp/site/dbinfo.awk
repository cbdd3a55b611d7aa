# Reads what ppStatsFromMetadata prints (-bg 812.4 -ver_pslib '4.2 rc' -accept) and writes it as
# psLib metadata, one entry a line: a record that is imported by its columns, never run.
{
    line = $0
    while (match(line, /-[a-z][a-z0-9_]*/)) {
        name = substr(line, RSTART + 1, RLENGTH - 1)
        line = substr(line, RSTART + RLENGTH)
        sub(/^ +/, "", line)
        if (substr(line, 1, 1) == "\047") {
            line = substr(line, 2)
            end = index(line, "\047")
            value = substr(line, 1, end - 1)
            line = substr(line, end + 1)
        } else if (line == "" || (line ~ /^-[a-z]/ && line !~ /^-(nan|inf)/)) {
            value = "T"
        } else {
            match(line, /^[^ ]+/)
            value = substr(line, 1, RLENGTH)
            line = substr(line, RLENGTH + 1)
        }
        print name, "STR", value
    }
}
