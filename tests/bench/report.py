"""What tests/bench/run says of what it measured: a table as text, the same as Markdown."""

import statistics

from programs import OURS


class Figure:
    """A row: which lines of the load programs it is made of, what of them counts, and whether less is better."""

    def __init__(self, name, unit, value, lower=False, digits=0, **wanted):
        self.name, self.unit, self.value, self.lower, self.digits, self.wanted = name, unit, value, lower, digits, wanted

    def rounds(self, results, system):
        """One value a round, in the rounds' order."""
        return [self.value(r) for r in results if r["target"] == system and all(r.get(k) == v for k, v in self.wanted.items())]


def text(values, digits):
    """Median, and between what and what the rounds lay."""
    return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f}–{max(values):,.{digits}f})"


def ratios(figure, results, system):
    """How many times better ours was in each round: more a second, or less time."""
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
                by = ratios(figure, results, system) if system != OURS else []
                said = f"ours {text(by, 2)} times as good" if by else ""
                out.append(f"  {system:<10}{text(values, figure.digits):>34}  {said:<42}  {systems[system]}")
        out.append("")
    return "\n".join(out)


def markdown_table(figures, systems, results):
    out = ["| | " + " | ".join(systems) + " |", "|---|" + "---|" * len(systems), "| who syncs when | " + " | ".join(systems.values()) + " |"]
    for figure in figures:
        cells = []
        for system in systems:
            values, by = figure.rounds(results, system), ratios(figure, results, system) if system != OURS else []
            cells.append((text(values, figure.digits) if values else "") + (f"; **{statistics.median(by):.2f}** ({min(by):.2f}–{max(by):.2f})" if by else ""))
        if any(cells):
            out.append(f"| {figure.name}, {figure.unit} | " + " | ".join(cells) + " |")
    return "\n".join(out) + "\n"
