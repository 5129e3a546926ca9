"""What is drawn: the numbers that reach the plot, read back from its shapes."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from factory.evaluation.statistics import Interval
from factory.report import plots
from factory.report.svg import SERIES, VARIABLES


class Reliability(NamedTuple):
    claimed: float
    observed: float
    low: float
    high: float
    count: int


@pytest.fixture
def drawn(monkeypatch):
    """Axes of the plots that were drawn."""
    seen = []

    def keep(canvas):
        from factory.report.svg import axes

        seen.append(axes(canvas))
        return seen[-1]

    monkeypatch.setattr(plots, "axes", keep)
    return seen


def error_bars(plot):
    """(x, low, high) of every vertical error bar."""
    bars = [bar for container in plot.containers for bar in container[2]]
    return [(x, *sorted((y0, y1))) for bar in bars for ((x, y0), (_, y1)) in bar.get_segments()]


def box(patch):
    """Left, right, bottom, top."""
    points = patch.get_path().vertices if hasattr(patch, "get_path") else patch.xy
    x, y = np.asarray(points).T
    return tuple(round(float(v), 6) for v in (x.min(), x.max(), y.min(), y.max()))


def test_calibration_has_its_rates_intervals_and_counts(drawn):
    bins = [Reliability(0.2, 0.25, 0.1, 0.45, 12), Reliability(0.8, 0.7, 0.6, 0.9, 1_234)]
    plots.reliability("r", {"one": bins}, xlabel="claimed", ylabel="observed", caption="c")
    (plot,) = drawn
    assert [tuple(np.round(bar, 6)) for bar in error_bars(plot)] == [(0.2, 0.1, 0.45), (0.8, 0.6, 0.9)]
    scatter = plot.collections[-1]
    assert scatter.get_offsets().tolist() == [[0.2, 0.25], [0.8, 0.7]]
    sizes = scatter.get_sizes()
    assert sizes[1] > sizes[0] > 15
    assert [(t.get_text(), t.xy) for t in plot.texts] == [("12", (0.2, 0.45)), ("1,234", (0.8, 0.9))]
    assert plot.lines[0].get_xydata().tolist() == [[0, 0], [1, 1]], "the diagonal"


def test_numbers_of_neighbouring_bins_stand_apart():
    crowded = [Reliability(0.14, 0.06, 0.03, 0.11, 150), Reliability(0.16, 0.19, 0.15, 0.23, 495)]
    low = Reliability(0.01, 0.03, 0.02, 0.05, 7)
    assert plots.label_sides([*crowded, low], 1.0) == [(low, True), (crowded[0], True), (crowded[1], True)]
    alike = [Reliability(0.5, 0.5, 0.4, 0.6, 1), Reliability(0.52, 0.5, 0.4, 0.6, 2)]
    assert plots.label_sides(alike[::-1], 1.0) == [(alike[0], True), (alike[1], False)]


def test_a_calibration_that_stays_low_is_cut_at_the_next_fifth(drawn):
    plots.reliability("r", {"one": [Reliability(0.1, 0.2, 0.15, 0.35, 3)]}, xlabel="", ylabel="", caption="c")
    assert drawn[0].lines[0].get_xydata().tolist() == [[0, 0], [0.4, 0.4]]


def test_points_with_intervals(drawn):
    points = {"sft": Interval(40.0, 35.0, 46.0), "rl": Interval(50.0, 48.0, 51.0)}
    plots.intervals("i", {"one": points}, ylabel="pass@1", caption="c")
    (plot,) = drawn
    assert error_bars(plot) == [(0.0, 35.0, 46.0), (1.0, 48.0, 51.0)]
    assert plot.containers[0][0].get_xydata().tolist() == [[0.0, 40.0], [1.0, 50.0]]
    assert [t.get_text() for t in plot.texts] == ["40.0", "50.0"]
    assert [t.get_text() for t in plot.get_xticklabels()] == ["sft", "rl"]


def test_groups_of_points_stand_apart_but_at_their_label(drawn):
    groups = {name: {"sft": Interval(1.0, 0.0, 2.0)} for name in ("a", "b")}
    plots.intervals("i", groups, ylabel="", caption="c")
    assert [bar[0] for bar in error_bars(drawn[0])] == [-0.12, 0.12]


def test_every_group_and_line_is_drawn_and_none_looks_like_another(drawn):
    """A ladder compares a dozen sets: those after the seventh were not drawn, and the fifth had the colour of the third."""
    names = [f"set {n}" for n in range(13)]
    plots.intervals("i", {n: {"end": Interval(1.0, 0.0, 2.0)} for n in names}, ylabel="", caption="c")
    plots.curves("c", "c", {n: ([0.0, 1.0], [0.0, 1.0]) for n in names})
    points = [container[0] for container in drawn[0].containers]
    for shown in (points, drawn[1].get_lines()):
        looks = {(line.get_color(), line.get_marker(), line.get_linestyle()) for line in shown}
        assert len(shown) == len(looks) == 13
    page = [VARIABLES[colour] for colour in SERIES]
    css = (Path(plots.__file__).parent / "assets" / "report.css").read_text()
    for scheme in re.split("prefers-color-scheme: dark", css, maxsplit=1):
        colours = [re.search(rf"{name}: (#\w+)", scheme)[1] for name in page]
        assert len(set(colours)) == len(SERIES)
    plots.histogram("h", {n: [1.0, 2.0] for n in names}, xlabel="", caption="c")
    assert len(drawn[2].patches) == 26


def test_bars_are_as_high_as_their_counts(drawn):
    figure = plots.bars("s", {"0 of 2": 2, "1 of 2": 3_000}, xlabel="right", caption="c")
    (plot,) = drawn
    assert [bar.get_height() for bars in plot.containers for bar in bars] == [2, 3_000]
    assert [t.get_text() for t in plot.texts] == ["2", "3,000"]
    assert [t.get_text() for t in plot.get_xticklabels()] == ["0 of 2", "1 of 2"]
    assert "<title>1 of 2: 3,000 problems</title>" in figure.svg


def test_what_stands_under_the_pointer_is_escaped():
    figure = plots.bars("s", {"</title><script>": 1}, xlabel="", caption="c")
    assert "<title>&lt;/title&gt;&lt;script&gt;: 1 problems</title>" in figure.svg


def test_a_limit_is_drawn_where_it_cuts(drawn):
    plots.histogram("h", {"one": range(100)}, xlabel="", caption="c", marks={"limit": 50.0, "far": 500.0})
    assert [line.get_xdata() for line in drawn[0].lines] == [[50.0, 50.0]]


def test_a_histogram_counts_every_value_once_and_says_what_is_beyond(drawn):
    values = [*range(100), 10_000]
    figure = plots.histogram("h", {"one": values}, xlabel="", caption="c", bins=10, limits=(0, 100))
    (plot,) = drawn
    tops = plot.patches[-1].get_path().vertices
    heights = [y for (x0, y), (x1, _) in itertools.pairwise(tops) if x1 > x0 and y]
    assert heights == [10] * 9 + [11]
    assert figure.caption == "c; the last bar holds the 1 above 100, up to 10,000"


def test_a_few_outliers_do_not_squeeze_the_rest():
    assert plots._core(np.array([*range(100), 10_000], float)) == (0.0, 99.0)
    assert plots._core(np.array([0.0, 1.0, 2.0])) == (0.0, 2.0)
    assert plots._core(np.zeros(0)) == (0.0, 1.0) and plots._core(np.array([5.0])) == (5.0, 5.0)


@pytest.mark.parametrize(
    ("text", "limit", "short"), [("abc", 3, "abc"), ("abcd", 3, "ab…"), (" a\n b ", 9, "a b"), ("", 3, "")]
)
def test_short(text, limit, short):
    assert plots.short(text, limit) == short


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1234.0, "1,234"), (9.5, "9.5"), (10.5, "10"), (-12.4, "-12"), (3.0, "3"), (0.25, "0.25")],
)
def test_ticks(value, shown):
    assert plots._count(value) == shown


def test_without_matplotlib_a_line_stands_in_for_the_figure(monkeypatch):
    monkeypatch.setattr("factory.report.svg.can_draw", lambda: False)
    figure = plots.histogram("h", {"a": [1.0, 2.0]}, xlabel="tokens", caption="c")
    assert "cot-factory[plots]" in figure.svg and "<svg" not in figure.svg
