"""The report's plots: plain numbers in, a `Figure` out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from factory.report.blocks import Figure
from factory.report.svg import BAD, FAINT, FIRST, HALF, INK, PAPER, SERIES, WIDTH, axes, draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from factory.evaluation.calibration import Reliability
    from factory.evaluation.statistics import Interval


def histogram(
    name: str,
    series: Mapping[str, Sequence[float]],
    *,
    xlabel: str,
    caption: str,
    bins: int = 40,
    limits: tuple[float, float] | None = None,
    colours: Sequence[str] = SERIES,
) -> Figure:
    """Overlaid step histograms on common bins; counts. Values beyond the drawn range stand in the last bar, and are said."""
    values = np.concatenate([np.asarray(list(v), dtype=float) for v in series.values()] or [np.zeros(0)])
    low, high = limits or _core(values)
    beyond = int((values > high).sum())
    if beyond:
        caption += f"; the last bar holds the {beyond:,} above {high:,.0f}, up to {values.max():,.0f}"
    edges = np.linspace(low, high if high > low else low + 1, bins + 1).tolist()

    def paint(canvas: Canvas) -> None:
        plot = axes(canvas)
        for (label, numbers), colour in zip(series.items(), colours, strict=False):
            drawn = np.clip(np.asarray(list(numbers), dtype=float), low, high)
            plot.hist(drawn, bins=edges, histtype="stepfilled", alpha=0.35, color=colour)
            label = f"{label} ({len(numbers):,})"
            plot.hist(drawn, bins=edges, histtype="step", color=colour, linewidth=1.4, label=label)
        plot.set_xlabel(xlabel)
        plot.set_ylabel("rows")
        plot.xaxis.set_major_formatter(_count)
        plot.yaxis.set_major_formatter(_count)
        canvas.legend(loc="outside upper right", ncols=4)

    return Figure(draw(name, caption, paint), caption)


def stacked_bars(
    name: str,
    rows: Mapping[str, Mapping[str, float]],
    colours: Mapping[str, str],
    *,
    xlabel: str,
    caption: str,
) -> Figure:
    """Horizontal bars, one a row, stacked by part in the order of `colours`."""

    def paint(canvas: Canvas) -> None:
        plot = axes(canvas)
        names = [short(n, 28) for n in rows]
        left = np.zeros(len(rows))
        for part, colour in colours.items():
            widths = np.array([float(row.get(part, 0)) for row in rows.values()])
            if widths.sum():
                plot.barh(range(len(rows)), widths, left=left, color=colour, label=part, height=0.7)
                left += widths
        plot.set_yticks(range(len(rows)), names)
        plot.invert_yaxis()
        plot.grid(axis="y", visible=False)
        plot.set_xlabel(xlabel)
        plot.xaxis.set_major_formatter(_count)
        if left.any():
            canvas.legend(loc="outside upper right", ncols=5)

    return Figure(draw(name, caption, paint, height=1.1 + 0.3 * max(len(rows), 1)), caption)


def intervals(
    name: str, groups: Mapping[str, Mapping[str, Interval]], *, ylabel: str, caption: str
) -> Figure:
    """Points with intervals, joined over an ordered category axis (the labels of every group); one line per group."""
    order = list(dict.fromkeys(label for points in groups.values() for label in points))

    def paint(canvas: Canvas) -> None:
        plot = axes(canvas)
        spread = np.linspace(-0.12, 0.12, len(groups)) if len(groups) > 1 else [0.0]
        for (group, points), colour, shift in zip(groups.items(), SERIES, spread, strict=False):
            x = [order.index(label) + float(shift) for label in points]
            y = [p.value for p in points.values()]
            errors = _errors([(p.value, p.low, p.high) for p in points.values()])
            style: dict[str, Any] = {"color": colour, "marker": "o", "markersize": 5, "capsize": 4}
            plot.errorbar(x, y, yerr=errors, label=short(group, 40), **style)
            for at in zip(x, y, strict=True):
                plot.annotate(f"{at[1]:.1f}", at, xytext=(7, -11), textcoords="offset points", fontsize=8)
        plot.set_xticks(range(len(order)), order)
        plot.set_xlim(-0.4, max(len(order) - 0.6, 0.6))
        plot.set_ylabel(ylabel)
        canvas.legend(loc="outside upper right", ncols=3)

    return Figure(draw(name, caption, paint, height=3.2), caption)


def _errors(points: Sequence[tuple[float, float, float]]) -> list[list[float]]:
    """Lengths of the bars below and above (value, low, high)."""
    return [
        [max(value - low, 0) for value, low, _ in points],
        [max(high - value, 0) for value, _, high in points],
    ]


def lines(
    name: str, panels: Mapping[str, Mapping[str, tuple[Sequence[float], Sequence[float]]]], *, caption: str
) -> Figure:
    """Small multiples, two a row: panel title to {series: (x, y)}; x is the training step."""
    count = max(len(panels), 1)
    rows = (count + 1) // 2

    def paint(canvas: Canvas) -> None:
        for index, (title, series) in enumerate(panels.items()):
            plot = canvas.add_subplot(rows, 2, index + 1)
            for (label, (x, y)), colour in zip(series.items(), SERIES, strict=False):
                plot.plot(x, y, color=colour, linewidth=1.3, label=short(label, 24))
            plot.set_title(short(title, 48))
            plot.set_xlabel("step")
            if len(series) > 1:
                plot.legend()

    return Figure(draw(name, caption, paint, height=2.3 * rows), caption)


def reliability(
    name: str,
    series: Mapping[str, Sequence[Reliability]],
    *,
    xlabel: str,
    ylabel: str,
    caption: str,
    colours: Sequence[str] = SERIES,
) -> Figure:
    """Claimed against observed rate with 95% intervals beside the diagonal; the number at a bar is how many stand behind it."""

    def paint(canvas: Canvas) -> None:
        plot = axes(canvas)
        every = [bin for bins in series.values() for bin in bins]
        largest = max((bin.count for bin in every), default=1)
        # A student that solves little leaves most of the square empty: it is cut at the next fifth.
        top = float(np.ceil(5 * max((max(bin.claimed, bin.high) for bin in every), default=1)) / 5)
        plot.plot([0, top], [0, top], color=FAINT, linestyle="--", linewidth=1)
        for (label, bins), colour in zip(series.items(), colours, strict=False):
            x, y = [bin.claimed for bin in bins], [bin.observed for bin in bins]
            errors = _errors([(bin.observed, bin.low, bin.high) for bin in bins])
            plot.errorbar(x, y, yerr=errors, color=colour, linestyle="none", capsize=3, linewidth=1.2)
            sizes = [15 + 110 * bin.count / largest for bin in bins]
            plot.scatter(x, y, s=sizes, color=colour, alpha=0.7, label=label)
        for bin, above in label_sides(every, top):
            plot.annotate(
                f"{bin.count:,}",
                (bin.claimed, bin.high if above else bin.low),
                xytext=(0, 3 if above else -3),
                textcoords="offset points",
                ha="center",
                va="bottom" if above else "top",
                fontsize=8,
            )
        plot.set_xlim(-0.04 * top, 1.04 * top)
        plot.set_ylim(-0.04 * top, 1.09 * top)
        plot.set_aspect("equal")
        plot.set_xlabel(xlabel)
        plot.set_ylabel(ylabel)
        if len(series) > 1:
            canvas.legend(loc="outside upper right", ncols=3)

    return Figure(draw(name, caption, paint, height=4.0, width=HALF), caption, kind="narrow")


def label_sides(bins: Sequence[Reliability], top: float) -> list[tuple[Reliability, bool]]:
    """Every bin with whether its number stands above its bar or below: where the numbers before it leave more room."""
    taken: list[tuple[float, float]] = []
    sides = []

    def room(bin: Reliability, y: float) -> float:
        return min((max(abs(bin.claimed - a) / 0.16, abs(y - b) / 0.07) for a, b in taken), default=top) / top

    for bin in sorted(bins, key=lambda bin: bin.claimed):
        spots = {True: bin.high + 0.04 * top, False: bin.low - 0.04 * top}
        rooms = {above: min(room(bin, y), 1.0) for above, y in spots.items() if above or y > 0}
        above = max(rooms, key=lambda side: rooms[side])
        taken.append((bin.claimed, spots[above]))
        sides.append((bin, above))
    return sides


def heat(name: str, rows: Sequence[str], columns: Sequence[str], counts: Any, *, caption: str) -> Figure:
    """Counts by two labels, written into the cells; shaded by the share of the largest."""
    table = np.asarray(counts, dtype=float).reshape(len(rows), len(columns))

    def paint(canvas: Canvas) -> None:
        plot = axes(canvas)
        plot.grid(visible=False)
        top = table.max() if table.size and table.max() else 1.0
        for y in range(len(rows)):
            for x in range(len(columns)):
                share = table[y, x] / top
                plot.fill(
                    [x - 0.5, x + 0.5, x + 0.5, x - 0.5],
                    [y - 0.5, y - 0.5, y + 0.5, y + 0.5],
                    color=FIRST,
                    alpha=0.08 + 0.45 * share if table[y, x] else 0,
                    linewidth=0,
                )
                plot.text(x, y, f"{int(table[y, x]):,}", ha="center", va="center", color=INK, fontsize=9)
        plot.set_xticks(range(len(columns)), [short(c, 16) for c in columns])
        plot.set_yticks(range(len(rows)), [short(r, 28) for r in rows])
        plot.set_xlim(-0.5, len(columns) - 0.5)
        plot.set_ylim(len(rows) - 0.5, -0.5)
        plot.tick_params(length=0)
        for spine in plot.spines.values():
            spine.set_visible(False)

    return Figure(draw(name, caption, paint, height=0.8 + 0.3 * max(len(rows), 1)), caption)


def _core(values: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[float, float]:
    """The range to draw: all of it, or up to the 99th percentile where a few values would squeeze the rest flat."""
    if not values.size:
        return 0.0, 1.0
    low, most = float(values.min()), float(values.max())
    high = float(np.quantile(values, 0.99, method="lower"))
    return low, (high if most - low > 2 * (high - low) > 0 else most)


def _count(value: float, _: object = None) -> str:
    return f"{value:,.0f}" if abs(value) >= 10 or float(value).is_integer() else f"{value:g}"


def short(text: str, limit: int) -> str:
    """`text` on one line, cut to `limit` characters."""
    flat = " ".join(str(text).split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


@dataclass(frozen=True, slots=True)
class Stage:
    """One column of a funnel: a step with what came in, what left it, and why the rest was dropped."""

    name: str
    rows_in: int
    rows_out: int
    dropped: Mapping[str, int]


def sankey(name: str, stages: Sequence[Stage], *, unit: str, caption: str) -> Figure:
    """A funnel as a Sankey: bars as high as their rows, bands between steps, dropped rows leaving downwards."""
    top = max((stage.rows_in for stage in stages), default=1) or 1
    deepest = max(
        (sum(s.dropped.values()) / top + 0.16 * len(_reasons(s)) for s in stages if s.dropped), default=0
    )
    below = 0.55 + deepest if deepest else 0.1
    narrow = len(stages) == 1
    columns = 1 if narrow else max(len(stages), 3)
    bar = 0.025 if narrow else 0.012 * columns

    def paint(canvas: Canvas) -> None:
        plot = axes(canvas)
        plot.axis("off")
        for index, stage in enumerate(stages):
            kept, lost = stage.rows_out / top, sum(stage.dropped.values()) / top
            after = stages[index + 1].rows_in / top if index + 1 < len(stages) else kept
            _bar(plot, index, bar, kept + lost)
            _band(plot, index + bar, index + 1, (1 - kept, 1), (1 - after, 1), FIRST)
            if lost:
                away = -0.3 - lost
                _band(plot, index + bar, index + 0.42, (1 - kept - lost, 1 - kept), (away, -0.3), BAD)
                said = "\n".join(_reasons(stage))
                plot.text(index, away - 0.06, said, va="top", fontsize=8, color=BAD, linespacing=1.25)
            plot.text(index, 1.27, short(stage.name, 22), fontsize=9, weight="bold", va="bottom")
            plot.text(index, 1.06, f"{stage.rows_in:,} in", fontsize=8.5, va="bottom")
        end = len(stages)
        _bar(plot, end, bar, stages[-1].rows_out / top)
        plot.text(end, 1.27, "out", fontsize=9, weight="bold", va="bottom")
        plot.text(end, 1.06, f"{stages[-1].rows_out:,} {unit}", fontsize=8.5, va="bottom")
        plot.set_xlim(-0.03, columns * (1.75 if narrow else 1.22))
        plot.set_ylim(-below, 1.5)

    width = HALF if narrow else WIDTH
    svg = draw(name, caption, paint, height=1.05 * (1.5 + below) * 0.72, width=width)
    return Figure(svg, caption, kind="narrow" if narrow else "figure")


def _reasons(stage: Stage) -> list[str]:
    """One line a reason, the commonest first, the rest summed up."""
    reasons = sorted(
        ((why, n) for why, n in stage.dropped.items() if n), key=lambda pair: (-pair[1], pair[0])
    )
    said = [f"−{n:,} {short(why, 18)}" for why, n in reasons[:3]]
    if len(reasons) > 3:
        said.append(f"−{sum(n for _, n in reasons[3:]):,} in {len(reasons) - 3} more")
    return said


def _bar(plot: Any, x: float, width: float, height: float) -> None:
    plot.fill([x, x + width, x + width, x], [1, 1, 1 - height, 1 - height], color=INK, lw=0)


def _band(
    plot: Any, x0: float, x1: float, left: tuple[float, float], right: tuple[float, float], colour: str
) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    middle = (x0 + x1) / 2
    (low0, high0), (low1, high1) = left, right
    there = [(x0, high0), (middle, high0), (middle, high1), (x1, high1)]
    back = [(x1, low1), (middle, low1), (middle, low0), (x0, low0), (x0, high0)]
    codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
    plot.add_patch(
        PathPatch(Path(there + back, codes), facecolor=colour, edgecolor=PAPER, alpha=0.45, linewidth=0)
    )
