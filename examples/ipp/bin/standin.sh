# What the stand-ins share. They take the real programs' options, refuse to start without their
# inputs, and write every file that the real ones would, with content that depends only on the
# content of the inputs: the same inputs give the same bytes, wherever they lie.

program=${0##*/}
out= skyfile= stats= log= dumpconfig= tracedest= image_id= inputs= lists= mdc=

die() {
    echo "$program: $*" >&2
    exit 1
}

# An input: a file that is there and not empty.
input() {
    [ -s "$1" ] || die "$1: no such file, or empty"
    inputs="$inputs $1"
}

# A list: a file that names one input a line.
list() {
    [ -s "$1" ] || die "$1: no such list, or empty"
    lists="$lists $1"
    while read -r name; do input "$name"; done < "$1"
}

while [ $# -gt 0 ]; do
    case $1 in
        -file | -burntool | -mask | -variance | -flat | -dark | -linearity | -noisemap | -fringe | \
            -refmasklist | -kh-correct | -astrommodel | -force | \
            -inimage | -inmask | -invariance | -insources | \
            -refimage | -refmask | -refvariance | -refsources) input "$2"; shift 2 ;;
        -list | -masklist | -variancelist | -astromlist) list "$2"; shift 2 ;;
        -input)
            mdc=$2
            [ -s "$mdc" ] || die "$mdc: no such file, or empty"
            # Every STR entry of the metadata text but the background model, which is never read.
            for name in $(awk '$2 == "STR" && $1 != "BKGMODEL" { print $3 }' "$mdc"); do
                input "$name"
            done
            shift 2
            ;;
        -stats) stats=$2; shift 2 ;;
        -log) log=$2; shift 2 ;;
        -dumpconfig) dumpconfig=$2; shift 2 ;;
        -tracedest) tracedest=$2; shift 2 ;;
        -image_id) image_id=$2; shift 2 ;;
        -threads | -stack-type | -stack_id | -skycell_id | -tess_id | -photcode-rule) shift 2 ;;
        -recipe | -F) shift 3 ;;
        -R) shift 4 ;;
        -photometry | -inverse) shift ;;
        -*) die "unknown option $1" ;;
        *)
            if [ -z "$out" ]; then out=$1; else skyfile=$1; input "$1"; fi
            shift
            ;;
    esac
done
[ -n "$out" ] || die "no output root"
[ -n "$inputs" ] || die "no input"
# shellcheck disable=SC2086 # a list of names without blanks
sum=$(cat $inputs | cksum | cut -d ' ' -f 1)
digit=$(printf %02d $((sum % 100)))

# product SUFFIX: a file of the output root.
product() {
    echo "$program $1 $sum" > "$out$1"
}

# stat NAME TYPE VALUE: an entry of the statistics file, under the name of its database column.
stat() {
    printf '%-20s %-4s %s\n' "$1" "$2" "$3" >> "$stats"
}

# finish: what every program leaves beside its products.
finish() {
    echo "$program read$(printf '%s\n' "$inputs" | wc -w) files" > "${log:-$out.log}"
    if [ -n "$tracedest" ]; then echo "$program trace $sum" > "$tracedest"; fi
    if [ -n "$dumpconfig" ]; then echo "$program STR $sum" > "$dumpconfig"; fi
}

if [ -n "$stats" ]; then
    : > "$stats"
    stat quality S32 0
    stat ver_pslib STR "stand-in 1"
fi
