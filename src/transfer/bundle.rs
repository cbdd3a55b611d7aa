//! A bundle to the site: one tar stream in, verified there as a whole, renamed into place.

use std::{collections::HashMap, io, sync::Arc};

use super::{
    Hash, Place, TransferError,
    drive::{BatchResult, Piece, Settled},
    far,
    ferry::{self, Ferries, Said},
    layout::Layout,
    pack,
    placing::placing,
    program::ours,
    rate::Pace,
    sessions::ended_early,
    sluice,
    spread::Spread,
    squeeze,
};

/// `$1` directory for the session, `$2` word for temporary names, `$3` and `$4` our own program,
/// which does all this in place of the script where it is there. Reads a line and a tar stream for
/// each bundle, as [`Ferries`] sends them: in it, `d` lists the directories, `m` the odd names, `s`
/// the checksums of what must land, `e` how long `s` is: on a full disk it may be short.
///
/// What has another checksum is removed; the rest is made durable with one sync and renamed, a
/// directory at a time. Nothing is said of what has landed. One bundle lands while the next one
/// comes.
pub(super) const LAND: &str = concat!(
    placing!(),
    ours!(),
    r#"
export LC_ALL=C
! ours "$3" "$4" || exec "$3" receive "$1" "$2"
mkdir -p -- "${1%/*/*}" && (umask 077; mkdir -p -- "$1") && cd -- "$1" || exit 3
word=$2
sums() {
    if [ "$bytes" -gt 1000000 ] && command -v openssl >/dev/null; then
        openssl dgst -sha256 -r "$@" 2>/dev/null | sed 's/^\([0-9a-f]*\) \*/\1  /'
    else
        sha256sum -- "$@" 2>/dev/null
    fi
    :
}
one() { m=$(place "$1" "$2" "$3" "${2%/*}/.or-part-$word-${1##*/}") || echo "or kept $1" $m; }
cut() { free; rm -rf -- "../$k"; echo or cut; echo or end; exit; }
land() {
    [ ! -s t ] || sed 's/^/or tar /' t
    n=
    read -r n <e 2>/dev/null
    [ -n "$n" ] && [ "$(wc -c <s)" -eq "$n" ] || cut
    sums */* | sort >g || cut
    if ! cmp -s g s; then
        free
        comm -13 s g | while IFS= read -r l; do
            echo "or bad $l"; rm -f -- "${l#*  }"
        done
        comm -23 s g | while IFS= read -r l; do
            echo "or lost $l"; rm -f -- "${l#*  }"
        done
    fi
    sync -f . 2>/dev/null || sync
    set -f
    set -- .
    while IFS= read -r d; do
        case $d in *\\*) d=$(printf '%b.' "$d"); d=${d%.} ;; esac
        [ -d "$d" ] || mkdir -p -- "$d" 2>/dev/null
        set -- "$@" "$d"
    done <d
    mount "$@" >f
    n=0
    while read -r m; do n=$((n + 1)); done <f
    if [ $n -ne $# ]; then
        for d; do mount "$d" | tail -n 1 | grep . || echo; done >f
    fi
    read -r here <f
    shift
    set +f
    j=0
    for d; do
        j=$((j + 1))
        read -r m <&3
        [ -d "$j" ] || continue
        if [ "$m" = "$here" ]; then
            e=$(mv -f -- "$j"/* "$d/" 2>&1) && continue
            for i in "$j"/*; do
                [ -e "$i" ] && { echo "or kept $i $(mv -f -- "$i" "$d/" 2>&1)" | tr '\n' ' '; echo; }
            done
        else
            for i in "$j"/*; do [ -e "$i" ] && one "$i" "$d/${i#*/}" "$m"; done
        fi
    done 3<<END
$(sed 1d f)
END
    while IFS='	' read -r i q; do
        [ -f "o/$i" ] || continue
        case $q in *\\*) q=$(printf '%b.' "$q"); q=${q%.} ;; esac
        d=${q%/*}; d=${d:-/}
        if ! m=$(mkdir -p -- "$d" 2>&1); then echo "or kept o/$i" $m; continue; fi
        one "o/$i" "$q" "$(mount "$d")"
    done <m
    echo or end
}
before=
while read -r k n bytes how; do
    # Only our own program takes what is compressed.
    [ -z "$how" ] || { echo "$3 has gone" >&2; exit 5; }
    mkdir -- "$k"
    head -c "$n" | { cd -- "$k" && tar -xomf - 2>t; cat >/dev/null; }
    [ -z "$before" ] || wait "$before"
    { echo "or begin $k"; (cd -- "$k" && land) || free; echo "or over $k"; } 2>&1 &
    before=$!
done
wait
cd / && rm -rf -- "$1"
rmdir -- "${1%/*}" 2>/dev/null
:
"#
);

/// Sends a bundle on a stream, compressed if `pace` is given, it pays and the far end takes that, and
/// waits until it has landed.
pub(super) async fn send(
    ferries: Arc<Ferries>,
    stream: usize,
    pieces: Vec<Piece>,
    spread: Arc<Spread>,
    pace: Option<Pace>,
) -> BatchResult {
    let layout = Layout::of(&pieces);
    let names: HashMap<String, usize> = (0..)
        .zip(&layout.names)
        .map(|(n, name)| (name.clone(), n))
        .collect();
    let (inlet, content) = sluice::inward();
    let number = ferries.number();
    let length = pack::length(&pieces, &layout);
    let bytes: u64 = pieces.iter().map(|piece| piece.size).sum();
    let header = move |squeezed| ferry::header(number, length, bytes, squeezed);
    let pace = pace.filter(|_| ferries.takes_squeezed(stream));
    let read = Arc::clone(&spread);
    let packing = tokio::task::spawn_blocking(move || {
        let mut reader = read.reader(&pieces);
        let hashes = squeeze::through(inlet, pace.as_ref(), header, |out| {
            pack::pack(&pieces, &layout, &mut reader, out)
        });
        if hashes.is_ok() {
            reader.finish();
        }
        (pieces, hashes)
    });
    let packing = async {
        let packed = packing.await;
        // A far end that wanted no more says why.
        let whole = match &packed {
            Ok((_, Ok(_))) => true,
            Ok((_, Err(error))) => error.kind() == io::ErrorKind::BrokenPipe,
            Err(_) => false,
        };
        (packed, whole)
    };
    let (said, packed) = ferries.carry(stream, number, content, packing).await?;
    let (pieces, hashes) = packed.map_err(far::stopped("packing a bundle"))?;
    let complete = hashes.is_ok() && said.text.lines().any(|line| line == "or end");
    let mut answer = Answer::read(&said, &names, complete);
    let failed = hashes.as_ref().err();
    let failed = failed.filter(|error| error.kind() != io::ErrorKind::BrokenPipe);
    if let Some(error) = failed {
        answer.nothing = Some(format!("its bundle could not be packed: {error}"));
    }
    Ok(pieces
        .into_iter()
        .enumerate()
        .map(|(place, piece)| {
            // Where the far end wanted no more, no hash is known, and nothing has landed.
            let hash = hashes.as_ref().ok().and_then(|hashes| hashes.get(place));
            let settled = match hash {
                // A host that went away in the middle of a file has not spoken for the file.
                Some(Err(error @ TransferError::Read { .. }))
                    if spread.host_of(&piece.from).is_some() =>
                {
                    Settled::Again(error.clone())
                },
                Some(Err(error)) => Settled::Failed(error.clone()),
                Some(Ok(hash)) => answer.settle(&piece, place, Some(*hash)),
                None => answer.settle(&piece, place, None),
            };
            (piece, settled)
        })
        .collect())
}

/// What the far end said of a bundle.
#[derive(Debug)]
struct Answer {
    /// By place in the bundle: why a file did not land, and whether it may if tried again.
    kept: HashMap<usize, Kept>,
    /// Why nothing landed, if nothing did.
    nothing: Option<String>,
    /// Bytes free, where that was asked.
    free: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kept {
    /// It has this hash.
    Bad(String),
    /// It did not arrive.
    Lost,
    /// It could not be renamed.
    Refused(String),
}

impl Answer {
    fn read(said: &Said, names: &HashMap<String, usize>, complete: bool) -> Self {
        let mut kept = HashMap::new();
        let mut tar = Vec::new();
        let mut nothing = None;
        for line in said.text.lines() {
            let Some((word, rest)) = line
                .strip_prefix("or ")
                .map(|l| l.split_once(' ').unwrap_or((l, "")))
            else {
                continue;
            };
            let summed = || {
                let (hash, name) = rest.split_once("  ")?;
                Some((*names.get(name)?, hash.to_owned()))
            };
            match word {
                "bad" => kept.extend(summed().map(|(place, hash)| (place, Kept::Bad(hash)))),
                "lost" => {
                    if let Some((place, _)) = summed() {
                        kept.entry(place).or_insert(Kept::Lost);
                    }
                },
                "kept" => {
                    let (name, why) = rest.split_once(' ').unwrap_or((rest, ""));
                    if let Some(place) = names.get(name) {
                        kept.insert(*place, Kept::Refused(why.trim().to_owned()));
                    }
                },
                "tar" => tar.push(rest.to_owned()),
                "cut" => nothing = Some("the stream was cut short".to_owned()),
                _ => {},
            }
        }
        if !complete && nothing.is_none() {
            nothing = Some(match &said.cut {
                Some((code, stderr)) => ended_early(Some(*code), stderr),
                None => ended_early(None, &said.text),
            });
        }
        if let (Some(why), Some(first)) = (&mut nothing, tar.first()) {
            *why = format!("{why}: {first}");
        }
        Self {
            kept,
            nothing,
            free: far::free_bytes(said.text.as_bytes()),
        }
    }

    fn settle(&self, piece: &Piece, place: usize, hash: Option<Hash>) -> Settled {
        let path = piece.to.clone();
        let site = Place::Site;
        let kept = self.kept.get(&place);
        if let (None, None, Some(hash)) = (&self.nothing, kept, hash) {
            return Settled::Done {
                size: piece.size,
                hash,
                key: None,
            };
        }
        if let Some(Kept::Refused(why)) = kept {
            return Settled::Failed(TransferError::Write {
                path,
                place: site,
                why: why.clone(),
            });
        }
        if self.free < piece.size.max(1) {
            return Settled::Again(TransferError::NoSpace {
                path,
                place: site,
                free: self.free,
                needed: piece.size,
            });
        }
        Settled::Again(match (&self.nothing, kept, hash) {
            (None, Some(Kept::Bad(found)), Some(expected)) => TransferError::Mismatch {
                path,
                place: site,
                expected,
                found: found.clone(),
            },
            (Some(why), ..) => TransferError::Write {
                path,
                place: site,
                why: why.clone(),
            },
            _ => TransferError::Write {
                path,
                place: site,
                why: "it did not arrive".to_owned(),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Said {
        Said {
            text: text.to_owned(),
            cut: None,
        }
    }

    fn names() -> HashMap<String, usize> {
        let names = ["1/a", "1/b", "o/00000002"];
        names.iter().map(ToString::to_string).zip(0..).collect()
    }

    #[test]
    fn what_is_not_spoken_of_has_landed() {
        let answer = Answer::read(&said("noise\nor end\n"), &names(), true);
        assert!(answer.kept.is_empty() && answer.nothing.is_none());
    }

    #[test]
    fn each_file_that_did_not_land_is_told_with_its_reason() {
        let hash = Hash::of(b"x");
        let text = format!(
            "or bad {hash}  1/a\nor lost {}  1/a\nor lost {hash}  1/b\nor kept o/00000002 mv: cannot\nor free 8\nor end\n",
            Hash::of(b"y")
        );
        let answer = Answer::read(&said(&text), &names(), true);
        assert_eq!(answer.kept[&0], Kept::Bad(hash.to_string()));
        assert_eq!(answer.kept[&1], Kept::Lost);
        assert_eq!(answer.kept[&2], Kept::Refused("mv: cannot".into()));
        assert_eq!(answer.free, 8192);
    }

    #[test]
    fn a_script_that_ended_early_landed_nothing_that_counts() {
        let answer = Answer::read(
            &Said {
                text: "or tar no space\n".to_owned(),
                cut: Some((9, "sh: killed\n".to_owned())),
            },
            &names(),
            false,
        );
        let why = answer.nothing.unwrap();
        assert!(
            why.contains("sh: killed") && why.contains("no space"),
            "{why}"
        );
    }
}
