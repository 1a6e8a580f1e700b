"""What tests/bench/run says of what it measured: a table as text, the same as Markdown, and a picture."""

import pathlib
import statistics
import subprocess
import tempfile

from programs import OURS

CLIENT_BUSY = 0.85  # of a core


class Figure:
    """A row: which lines of the load programs it is made of, what of them counts, whether less is better, and whether there is anything to compare."""

    def __init__(self, name, unit, value, lower=False, digits=0, compare=True, **wanted):
        self.name, self.unit, self.value, self.lower, self.digits, self.compare, self.wanted = name, unit, value, lower, digits, compare, wanted

    def lines(self, results, system):
        return [r for r in results if r["target"] == system and all(r.get(k) == v for k, v in self.wanted.items())]

    def rounds(self, results, system):
        """One value a round, in the rounds' order; None of a line is a figure that there is not."""
        return [v for v in (self.value(r) for r in self.lines(results, system)) if v is not None]

    def client_bound(self, results, system):
        """Whether a thread of the load program had hardly a moment left: then the figure says more of it than of the server."""
        busy = [max(r["own_cpu_us"].values()) * r["per_second"] / 1e6 for r in self.lines(results, system) if "own_cpu_us" in r]
        return bool(busy) and statistics.median(busy) > CLIENT_BUSY


def text(values, digits):
    """Median, and between what and what the rounds lay."""
    return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f}–{max(values):,.{digits}f})"


def ratios(figure, results, system):
    """How many times better ours was in each round: more a second, or less time. Empty for ours itself and where it says nothing."""
    if system == OURS or not figure.compare:
        return []
    ours, theirs = figure.rounds(results, OURS), figure.rounds(results, system)
    return [(b / a if figure.lower else a / b) for a, b in zip(ours, theirs) if a > 0 and b > 0]


def plain_table(figures, systems, results):
    """systems: {name: who syncs when}."""
    out = []
    for figure in figures:
        rows = {system: figure.rounds(results, system) for system in systems}
        if not any(rows.values()):
            continue
        out.append(f"{figure.name}, {figure.unit}")
        for system, values in rows.items():
            if values:
                by = ratios(figure, results, system)
                said = f"ours {text(by, 2)} times as good" if by else ""
                said += " (client-bound)" if figure.client_bound(results, system) else ""
                out.append(f"  {system:<13}{text(values, figure.digits):>34}  {said:<58}{systems[system]}")
        out.append("")
    return "\n".join(out)


def markdown_table(figures, systems, results):
    out = ["| | " + " | ".join(systems) + " |", "|---|" + "---|" * len(systems), "| who syncs when | " + " | ".join(systems.values()) + " |"]
    for figure in figures:
        cells = []
        for system in systems:
            values, by = figure.rounds(results, system), ratios(figure, results, system)
            bound = ", client-bound" if figure.client_bound(results, system) else ""
            cells.append((text(values, figure.digits) + bound if values else "") + (f"; **{statistics.median(by):.2f}** ({min(by):.2f}–{max(by):.2f})" if by else ""))
        if any(cells):
            out.append(f"| {figure.name}, {figure.unit} | " + " | ".join(cells) + " |")
    return "\n".join(out) + "\n"


# ---- the picture ----

SCRIPT = """\
set terminal svg size 1500,{height} font "sans-serif,13" background "white"
set output "{out}"
set xlabel "kurzweg so many times as good; left of 1 the other is better"
set logscale x 10
set xtics (0.001, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 1000)
set yrange [-{rows}:1]
set ytics ({labels})
set grid ytics lc rgb "#dddddd" lt 1
set key outside right top
set arrow from 1, graph 0 to 1, graph 1 nohead lw 2 lc rgb "#444444"
set bars 0.5
plot {plots}
"""
POINTS = {"synced": (9, "#888888"), "relay": (8, "#bbbbbb")}
MORE_POINTS = ((7, "#c0392b"), (6, "#e67e22"), (5, "#2471a3"), (13, "#229954"), (11, "#7d3c98"))


def picture(figures, systems, results, out):
    """A dot for each figure and system at the median of the ratios, with a line from the least to the most; a logarithmic scale, so that twice as
    fast and half as fast are as far from 1."""
    rows = [f for f in figures if any(ratios(f, results, system) for system in systems)]
    points = dict(POINTS)
    with tempfile.TemporaryDirectory() as folder:
        plots = []
        for system in systems:
            lines = [f"{statistics.median(by)} {-row} {min(by)} {max(by)}" for row, f in enumerate(rows) if (by := ratios(f, results, system))]
            if not lines:
                continue
            data = pathlib.Path(folder) / system
            data.write_text("\n".join(lines) + "\n")
            kind, colour = points.setdefault(system, MORE_POINTS[(len(points) - len(POINTS)) % len(MORE_POINTS)])
            plots.append(f'"{data}" using 1:2:3:4 with xerrorbars pt {kind} ps 0.9 lc rgb "{colour}" title "{system}"')
        if not plots:
            raise SystemExit("there is nothing to draw: nothing was compared with kurzweg")
        labels = ", ".join('"{}" {}'.format(f.name.replace('"', ""), -row) for row, f in enumerate(rows))
        script = SCRIPT.format(height=120 + 26 * len(rows), out=out, rows=len(rows), labels=labels, plots=", ".join(plots))
        subprocess.run(["gnuplot"], input=script, text=True, check=True)
