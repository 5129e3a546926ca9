"""What is drawn: the numbers that reach the plot, read back from its shapes."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import pytest

from factory.evaluation.statistics import Interval
from factory.report import plots


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


def test_cells_of_a_heat_map_lie_side_by_side_with_their_counts(drawn):
    plots.heat("h", ["a", "b"], ["x", "y", "z"], [[1, 2, 0], [4, 5, 60]], caption="c")
    (plot,) = drawn
    cells = sorted(box(patch) for patch in plot.patches)
    assert cells == sorted((x - 0.5, x + 0.5, y - 0.5, y + 0.5) for x in range(3) for y in range(2))
    shown = {(t.get_position()): t.get_text() for t in plot.texts}
    assert shown == {(0, 0): "1", (1, 0): "2", (2, 0): "0", (0, 1): "4", (1, 1): "5", (2, 1): "60"}
    shade = {box(patch): patch.get_alpha() for patch in plot.patches}
    assert shade[(1.5, 2.5, -0.5, 0.5)] == 0
    assert shade[(-0.5, 0.5, -0.5, 0.5)] < shade[(0.5, 1.5, -0.5, 0.5)] < shade[(1.5, 2.5, 0.5, 1.5)] == 0.53
    assert [t.get_text() for t in plot.get_xticklabels()] == ["x", "y", "z"]
    assert plot.get_ylim() == (1.5, -0.5), "the first row stands on top"


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


def test_bars_are_stacked_in_the_order_of_their_colours(drawn):
    rows = {"first": {"a": 2, "b": 3}, "second": {"b": 5}}
    plots.stacked_bars("s", rows, {"a": "#111111", "b": "#222222", "c": "#333333"}, xlabel="", caption="c")
    (plot,) = drawn
    assert len(plot.containers) == 2, "a part that no row has is not drawn"
    spans = [[(bar.get_x(), bar.get_x() + bar.get_width()) for bar in bars] for bars in plot.containers]
    assert spans == [[(0, 2), (0, 0)], [(2, 5), (0, 5)]]
    assert plot.get_ylim()[0] > plot.get_ylim()[1], "the first row stands on top"


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


def test_bars_and_bands_of_the_funnel_are_as_high_as_their_rows(drawn):
    stages = [plots.Stage("a", 100, 80, {"dup": 15, "bad": 5}), plots.Stage("b", 80, 80, {})]
    plots.sankey("f", stages, unit="rows", caption="c")
    (plot,) = drawn
    bars = [box(p) for p in plot.patches if type(p).__name__ == "Polygon"]
    assert [(left, bottom, top) for left, _, bottom, top in bars] == [(0, 0, 1), (1, 0.2, 1), (2, 0.2, 1)]
    bands = [p.get_path().vertices for p in plot.patches if type(p).__name__ == "PathPatch"]
    width = bars[0][1]
    corners = [v[i] for v in bands[:1] for i in (0, 3, 4, 7)]
    assert np.allclose(corners, [(width, 1), (1, 1), (1, 0.2), (width, 0.2)])
    assert np.isclose([y for _, y in bands[1]], [0.2, 0.2, -0.3, -0.3, -0.5, -0.5, 0, 0, 0.2]).all()
    assert np.allclose([v[:, 1].min() for v in (bands[0], bands[2])], 0.2)
    texts = [t.get_text() for t in plot.texts]
    assert texts == ["−15 dup\n−5 bad", "a", "100 in", "b", "80 in", "out", "80 rows"]


def test_the_commonest_reasons_come_first_and_the_rest_is_summed_up():
    dropped = {"e": 1, "d": 2, "c": 30, "b": 2, "a": 0, "f": 1_000}
    assert plots._reasons(plots.Stage("s", 1, 1, dropped)) == ["−1,000 f", "−30 c", "−2 b", "−3 in 2 more"]


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
