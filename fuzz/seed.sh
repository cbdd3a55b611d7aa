#!/bin/sh
# Makes the first corpus: the script of each case in tests/opihi is a file of its own.
set -eu
cd "$(dirname "$0")"
for target in reader interpret; do
    mkdir -p "corpus/$target"
    awk -v out="corpus/$target" '
        /^## / { if (file) close(file); file = sprintf("%s/case-%04d", out, ++n); script = 1; next }
        /^---$/ { script = 0; next }
        script && /^@end$/ { next }
        script && /^@(typed|config|history|env) / { next }
        script && /^@file / { next }
        script { print > file }
    ' ../tests/opihi/*.txt
done
# What a tool would print: the target's shell prints its own words, `|` being the ends of lines.
cat > corpus/interpret/rows <<'SCRIPT'
queueload q -x "r MULTI|r METADATA|a STR 1|b STR two|END|r METADATA|a STR 2|END"
ipptool2book q B -uniq -key a -setword s INIT
queueload q -x "id stage|1 chip|2 camera"
ipptool2book q C -raw-columns
book getpage B 0 -key s INIT -var p
book setword B $p s RUN
list L -x "one|two fail"
$x = `a|b`
SCRIPT
