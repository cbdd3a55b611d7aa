"""Figures out of what was measured, as a table a condition."""

from statistics import median

MEGA = 1000 * 1000
HEAD = ("method", "TCP", "runs", "s", "files/s", "MB/s", "best", "% raw", "% most", "idle %")


def rates(outcome):
    """Of one run that went well or was cut: files and bytes a second."""
    return outcome["files"] / outcome["seconds"], outcome["bytes"] / outcome["seconds"]


def summary(condition):
    """Rows: medians of the runs, beside the raw rate of as many TCP connections."""
    raw = {
        direction: {n: median(values) for n, values in by_count.items()}
        for direction, by_count in condition["raw"].items()
    }
    rows = []
    for entry in condition["measured"]:
        row = {key: entry[key] for key in ("set", "label", "direction", "method", "tcp")}
        good = [run for run in entry["runs"] if "seconds" in run]
        failed = [run["failed"] for run in entry["runs"] if "failed" in run]
        row["runs"] = len(good)
        row["failed"] = len(failed)
        row["note"] = entry.get("note", "")
        if failed:
            row["note"] = f"{len(failed)} of {len(entry['runs'])} FAILED: {failed[0]}"
        if good:
            files, speeds = zip(*map(rates, good))
            row |= {
                "seconds": median(run["seconds"] for run in good),
                "files_s": median(files),
                "bytes_s": median(speeds),
                "best_bytes_s": max(speeds),
                "idle": median(run["idle"] for run in good),
                "idle_before": min(run["idle_before"] for run in good),
                "cut": any(run["cut"] for run in good),
            }
            of = raw.get(entry["direction"], {})
            if of.get(entry["tcp"]):
                row["of_raw"] = row["bytes_s"] / of[entry["tcp"]]
                row["of_most"] = row["bytes_s"] / max(of.values())
        rows.append(row)
    return {"raw": raw, "rows": rows}


def rate(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(condition):
    found = summary(condition)
    lines = [
        "",
        f"RTT {condition['rtt']} ms, loss {condition['loss']} ppm, "
        f"{condition['rate'] or 'no limit of'} Mbit/s",
    ]
    for direction, by_count in found["raw"].items():
        told = ", ".join(f"{n}: {rate(value / MEGA)}" for n, value in sorted(by_count.items()))
        lines.append(f"raw, {direction}, MB/s by TCP connections ({condition['tool']}): {told}")
    last, marks, absent = None, set(), {}
    for row in found["rows"]:
        if row["note"] and not row["failed"] and not row["runs"]:
            names = absent.setdefault(row["note"], [])
            if row["method"] not in names:
                names.append(row["method"])
            continue
        if (row["set"], row["direction"]) != last:
            last = row["set"], row["direction"]
            lines += ["", f"{row['label']}, {row['direction']}", line(HEAD)]
        if "bytes_s" not in row:
            lines.append(f"{row['method']:<26} {row['note'] or 'not run'}")
            continue
        shares = [f"{100 * row[key]:.0f}" if key in row else "-" for key in ("of_raw", "of_most")]
        mark = ("c" if row["cut"] else "") + ("b" if row["idle_before"] < 0.8 else "")
        marks |= set(mark)
        cells = [row["method"], row["tcp"], row["runs"], f"{row['seconds']:.2f}"]
        cells += [rate(row["files_s"]), rate(row["bytes_s"] / MEGA)]
        cells += [rate(row["best_bytes_s"] / MEGA), *shares, f"{100 * row['idle']:.0f}"]
        lines.append(f"{line(cells)} {mark} {row['note']}".rstrip())
    lines.append("")
    for why, names in absent.items():
        lines.append(f"not measured: {', '.join(names)}: {why}")
    if "c" in marks:
        lines.append(f"c: cut after {condition['cut']:g} s, rate up to there")
    if "b" in marks:
        lines.append("b: the machine was busy with something else before (under 80 % idle)")
    return "\n".join(lines)


def line(cells):
    widths = (26, 3, 4, 7, 8, 8, 8, 6, 6, 6)
    first, *others = (str(cell) for cell in cells)
    return f"{first:<26} " + " ".join(f"{c:>{w}}" for c, w in zip(others, widths[1:]))
