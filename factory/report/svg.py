"""From a matplotlib figure to inline SVG that follows the page's colours.

Figures are drawn with stand-in colours that become CSS variables, so one SVG reads in light, in dark and in print.
Text stays text (searchable, any script), and nothing in it is ever parsed as maths or markup.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_NAMES = (
    "ink", "faint", "grid", "good", "bad", "unsure", "empty", "slow", "first", "second", "third", "fourth", "page",
)  # fmt: skip
VARIABLES = {f"#{n:02x}{n:02x}{n:02x}": f"--{name}" for n, name in enumerate(_NAMES, start=1)}
"""Stand-in colour to the page's CSS variable."""
INK, FAINT, GRID, GOOD, BAD, UNSURE, EMPTY, SLOW, FIRST, SECOND, THIRD, FOURTH, PAPER = VARIABLES
SERIES = (FIRST, SECOND, THIRD, FOURTH, UNSURE, SLOW)
"""Colours that are told apart; GOOD and BAD are two of them."""
WIDTH = 4.2
"""Inches of every figure: three stand side by side on a screen, and one fills a phone, where its smallest text (8.5
points) is then more than 9 pixels tall."""
HOVER = "hover "
"""Begins the `gid` of a shape; what follows is shown under the pointer."""

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "axes.formatter.useoffset": False,
}


def draw(
    name: str,
    label: str,
    paint: Callable[[Canvas], None],
    *,
    height: float = 3.0,
    width: float = WIDTH,
) -> Markup:
    """Paint a figure and return it as inline SVG.

    Args:
        name: unique on the page; makes the ids inside the SVG stable and distinct.
        label: what the figure shows, for screen readers.
        paint: draws on the figure.
        height: inches.
        width: inches.

    Returns:
        The SVG; without matplotlib (extra `plots`) a line that says so, and the tables around it stand alone.
    """
    if not can_draw():
        return Markup("<p>Not drawn: pip install 'cot-factory[plots]'</p>")
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}), warnings.catch_warnings():
        # The browser sets the text; that DejaVu lacks a script matters only for matplotlib's own measure of it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        canvas = Figure(figsize=(width, height), layout="constrained")
        paint(canvas)
        sink = io.StringIO()
        canvas.savefig(sink, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return Markup(_inline(sink.getvalue(), label))


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def axes(canvas: Canvas) -> Axes:
    """One plot that fills the figure."""
    return canvas.add_subplot()


def _inline(svg: str, label: str) -> str:
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.S)
    svg = re.sub(r"<defs>\s*<style type=\"text/css\">[^<]*</style>\s*</defs>", "", svg)
    svg = re.sub(rf'<g id="{HOVER}([^"]*)"([^>]*)>', r"<g\2><title>\1</title>", svg)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r"font-family: [^;\"]*;? ?", "", svg)
    svg = re.sub(r"[ \t]*\n[ \t]*", " ", svg)
    for colour, variable in VARIABLES.items():
        svg = svg.replace(f": {colour}", f": var({variable})")
    box = re.search(r'viewBox="([^"]*)"', svg)
    opening = f'<svg role="img" aria-label="{Markup.escape(label)}" viewBox="{box.group(1) if box else ""}" '
    return re.sub(
        r"<svg [^>]*>",
        lambda _: opening + 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">',
        svg,
        count=1,
    )
