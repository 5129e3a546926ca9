"""The report's plots: plain numbers in, a `Figure` out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from factory.report.blocks import Figure
from factory.report.svg import FAINT, FIRST, HOVER, SERIES, axes, draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from factory.evaluation.calibration import Reliability
    from factory.evaluation.statistics import Interval

Line = tuple[Sequence[float], Sequence[float]]
"""Steps, and the values at them."""


def styles() -> Iterator[tuple[str, str, str]]:
    """Colour, marker and dashes of one line after the other, without end; the same colour comes again with others."""
    turns = zip(cycle("os^Dv"), cycle(("-", "--", ":", "-.")), strict=False)
    return ((colour, marker, dashes) for marker, dashes in turns for colour in SERIES)


def histogram(
    name: str,
    series: Mapping[str, Sequence[float]],
    *,
    xlabel: str,
    caption: str,
    bins: int = 40,
    limits: tuple[float, float] | None = None,
    marks: Mapping[str, float] | None = None,
    colours: Sequence[str] = SERIES,
) -> Figure:
    """Overlaid step histograms on common bins; counts. Values beyond the drawn range stand in the last bar, and are said.

    `marks` are limits: dashed lines with their names, drawn where they lie in the range.
    """
    values = np.concatenate([np.asarray(list(v), dtype=float) for v in series.values()] or [np.zeros(0)])
    low, high = limits or _core(values)
    beyond = int((values > high).sum())
    if beyond:
        caption += f"; the last bar holds the {beyond:,} above {high:,.0f}, up to {values.max():,.0f}"
    edges = np.linspace(low, high if high > low else low + 1, bins + 1).tolist()

    def paint(canvas: Canvas) -> None:
        from matplotlib.ticker import MaxNLocator

        plot = axes(canvas)
        for (label, numbers), colour in zip(series.items(), cycle(colours), strict=False):
            drawn = np.clip(np.asarray(list(numbers), dtype=float), low, high)
            label = f"{label} ({len(numbers):,})"
            hover = f"{HOVER}{label}, median {np.median(list(numbers)):,.4g}" if len(numbers) else None
            plot.hist(drawn, bins=edges, histtype="stepfilled", alpha=0.35, color=colour, gid=hover)
            plot.hist(drawn, bins=edges, histtype="step", color=colour, linewidth=1.4, label=label)
        for (label, at), colour in zip((marks or {}).items(), cycle(colours), strict=False):
            if low < at <= high * 1.3:
                plot.axvline(at, color=colour, linestyle="--", linewidth=1.2, label=label)
        plot.set_xlabel(xlabel)
        plot.set_ylabel("rows")
        plot.xaxis.set_major_locator(MaxNLocator(6))
        plot.xaxis.set_major_formatter(_count)
        plot.yaxis.set_major_formatter(_count)
        _legend(canvas, plot)

    return Figure(draw(name, caption, paint, height=2.4), caption)


def bars(
    name: str, counts: Mapping[str, int], *, xlabel: str, caption: str, ylabel: str = "problems"
) -> Figure:
    """One bar per label, its count above it."""

    def paint(canvas: Canvas) -> None:
        plot = axes(canvas)
        for x, (label, count) in enumerate(counts.items()):
            plot.bar(x, count, color=FIRST, alpha=0.75, width=0.75, gid=f"{HOVER}{label}: {count:,} {ylabel}")
            said = f"{count:,}"
            plot.annotate(
                said, (x, count), xytext=(0, 2), textcoords="offset points", ha="center", fontsize=8
            )
        plot.set_xticks(range(len(counts)), list(counts))
        plot.grid(axis="x", visible=False)
        plot.margins(y=0.12)
        plot.set_xlabel(xlabel)
        plot.set_ylabel(ylabel)
        plot.yaxis.set_major_formatter(_count)

    return Figure(draw(name, caption, paint, height=2.2), caption)


def intervals(
    name: str, groups: Mapping[str, Mapping[str, Interval]], *, ylabel: str, caption: str
) -> Figure:
    """Points with intervals, joined over an ordered category axis (the labels of every group); one line per group."""
    order = list(dict.fromkeys(label for points in groups.values() for label in points))

    def paint(canvas: Canvas) -> None:
        plot = axes(canvas)
        spread = np.linspace(-0.12, 0.12, len(groups)) if len(groups) > 1 else [0.0]
        for (group, points), (colour, marker, _), shift in zip(
            groups.items(), styles(), spread, strict=False
        ):
            x = [order.index(label) + float(shift) for label in points]
            y = [p.value for p in points.values()]
            errors = _errors([(p.value, p.low, p.high) for p in points.values()])
            style: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 5, "capsize": 4}
            plot.errorbar(x, y, yerr=errors, label=short(group, 40), **style)
            for at in zip(x, y, strict=True) if len(groups) == 1 else ():
                plot.annotate(f"{at[1]:.1f}", at, xytext=(7, -11), textcoords="offset points", fontsize=8.5)
        plot.set_xticks(range(len(order)), order)
        plot.set_xlim(-0.4, max(len(order) - 0.6, 0.6))
        plot.set_ylabel(ylabel)
        _legend(canvas, plot)

    return Figure(draw(name, caption, paint, height=2.4), caption)


def _errors(points: Sequence[tuple[float, float, float]]) -> list[list[float]]:
    """Lengths of the bars below and above (value, low, high)."""
    return [
        [max(value - low, 0) for value, low, _ in points],
        [max(high - value, 0) for value, _, high in points],
    ]


def curves(name: str, caption: str, lines: Mapping[str, Line], *, xlabel: str = "step") -> Figure:
    """Lines over the training steps, named where there are several."""

    def paint(canvas: Canvas) -> None:
        plot = axes(canvas)
        for (label, (x, y)), (colour, _, dashes) in zip(lines.items(), styles(), strict=False):
            hover = f"{HOVER}{label} from {y[0]:.4g} to {y[-1]:.4g}"
            plot.plot(x, y, color=colour, linestyle=dashes, linewidth=1.3, gid=hover, label=label)
        plot.set_xlabel(xlabel)
        if len(lines) > 1:
            _legend(canvas, plot)

    return Figure(draw(name, caption, paint, height=2.0), caption)


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
        for (label, bins), colour in zip(series.items(), cycle(colours), strict=False):
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
                fontsize=8.5,
            )
        plot.set_xlim(-0.04 * top, 1.04 * top)
        plot.set_ylim(-0.04 * top, 1.09 * top)
        plot.set_aspect("equal")
        plot.set_xlabel(xlabel)
        plot.set_ylabel(ylabel)
        if len(series) > 1:
            _legend(canvas, plot)

    return Figure(draw(name, caption, paint, height=4.0), caption)


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


ROW = 0.17
"""Inches that a row of a legend takes; there is room for `ROOM` of them."""
ROOM = 3


def _legend(canvas: Canvas, plot: Any) -> None:
    """Above the plot, in as many columns as its longest label leaves room for; the figure grows with its rows."""
    labels = plot.get_legend_handles_labels()[1]
    if labels:
        columns = max(1, min(3, 54 // (max(map(len, labels)) + 6)))
        canvas.legend(loc="outside upper right", ncols=columns)
        rows = -(-len(labels) // columns)
        canvas.set_figheight(canvas.get_figheight() + ROW * max(0, rows - ROOM))


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
