"""The funnel drawn as a Sankey."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from factory.report.blocks import Figure
from factory.report.plots import short
from factory.report.svg import BAD, FIRST, HALF, INK, PAPER, WIDTH, axes, draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas


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
                plot.text(
                    index,
                    away - 0.06,
                    "\n".join(_reasons(stage)),
                    va="top",
                    fontsize=8,
                    color=BAD,
                    linespacing=1.25,
                )
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
    points = [
        (x0, left[1]),
        (middle, left[1]),
        (middle, right[1]),
        (x1, right[1]),
        (x1, right[0]),
        (middle, right[0]),
        (middle, left[0]),
        (x0, left[0]),
        (x0, left[1]),
    ]
    codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
    plot.add_patch(PathPatch(Path(points, codes), facecolor=colour, edgecolor=PAPER, alpha=0.45, linewidth=0))
