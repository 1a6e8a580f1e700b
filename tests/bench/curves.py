"""The curves of tests/bench/run as one picture: how a figure grows with a notification's size, with the audience, the agreement, and what is queued."""

import pathlib
import statistics
import subprocess
import tempfile

COLOURS = {"kurzweg": "#000000", "synced": "#888888", "relay": "#bbbbbb", "redis": "#c0392b", "redis-xread": "#e67e22", "rabbitmq": "#2471a3", "nats": "#229954",
           "mosquitto": "#7d3c98"}

# A panel: what it is called, the curve, whose lines, what stands on the x axis, its name, and what on the y axis.
PANELS = (
    ("256 (of 64 KiB: 64) in flight, a second", "payload", "rate", lambda r: r["bytes"], "bytes of payload", lambda r: r["per_second"]),
    ("deliveries a second", "readers", "fan", lambda r: r["readers"], "readers", lambda r: r["deliveries_per_second"]),
    ("one to the last of all readers, p50, ms", "readers", "fan", lambda r: r["readers"], "readers", lambda r: r["last_us"]["p50"] / 1000),
    ("memory with all of them, MiB", "readers", "fan", lambda r: r["readers"], "readers", lambda r: r["anon_kib"] / 1024),
    ("one to one beside them, a second", "readers", "rate", lambda r: r["nodes"], "nodes in the agreement", lambda r: r["per_second"]),
    ("start, nothing queued, ms", "readers", "start", lambda r: r["nodes"], "nodes in the agreement", lambda r: r["ms"]),
    ("start, ms", "queued", "start", lambda r: r["queued"], "queued", lambda r: r["ms"]),
    ("draining, a second", "queued", "drain", lambda r: r["queued"], "queued", lambda r: r["per_second"]),
    ("most memory meanwhile, MiB", "queued", "drain", lambda r: r["queued"], "queued", lambda r: r["kib_most"] / 1024),
)
COLUMNS = 3

HEAD = """\
set terminal svg size 1500,{height} font "sans-serif,13" background "white"
set output "{out}"
set logscale xy
set grid lc rgb "#dddddd" lt 1
set bars 0.5
set key below
set bmargin 6
set format y "%g"
set multiplot layout {rows},{columns}
"""


def points(results, panel, system):
    """[(x, median, least, most), …] by x."""
    _, curve, of, x, _, y = panel
    values = {}
    for r in results:
        if r.get("curve") == curve and r["of"] == of and r["target"] == system:
            values.setdefault(x(r), []).append(y(r))
    return [(at, statistics.median(v), min(v), max(v)) for at, v in sorted(values.items())]


def picture(results, out):
    """A panel for each figure, a line for each system, at the rounds' medians, with a bar from the least to the most; both scales are logarithmic."""
    systems = [s for s in COLOURS if any(r.get("curve") and r["target"] == s for r in results)]
    if not systems:
        raise SystemExit("there is no curve to draw: --only curves makes them")
    with tempfile.TemporaryDirectory() as folder:
        script = []
        for number, panel in enumerate(PANELS):
            plots = []
            for system in systems:
                rows = points(results, panel, system)
                if rows:
                    data = pathlib.Path(folder) / f"{number}-{system}"
                    data.write_text("".join(f"{' '.join(map(str, row))}\n" for row in rows))
                    plots.append(f'"{data}" using 1:2:3:4 with yerrorlines lw 1.5 pt 7 ps 0.6 lc rgb "{COLOURS[system]}" title "{system}"')
            if plots:
                script.append(f'set title "{panel[0]}"\nset xlabel "{panel[4]}"\nplot {", ".join(plots)}\n')
        rows = -(-len(script) // COLUMNS)
        head = HEAD.format(height=40 + 340 * rows, out=out, rows=rows, columns=COLUMNS)
        subprocess.run(["gnuplot"], input=head + "".join(script) + "unset multiplot\n", text=True, check=True)
