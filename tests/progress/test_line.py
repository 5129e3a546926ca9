"""What a bar shows at which width, from counts and a clock that are given."""

import os
import subprocess
import sys

import pytest

from factory.progress.line import State, bar, clock, lines, speed


def state(**changed):
    made = State("generate", "responses", 1_200, began=0.0, moved=0.0)
    made.move(412, now=4.16)
    made.facts = {"$": "0.41 of $20", "tok/s": "9,910", "in flight": "16/16", **changed}
    return made


def test_at_80_columns_count_rate_time_and_money_survive_and_the_bar_shrinks():
    first, second = lines(state(), 80, 4.16)
    assert first.endswith(" 412/1,200  99/s  0:07 left  $0.41 of $20") and len(first) <= 80
    assert second == "  tok/s 9,910  in flight 16/16"
    narrow = lines(state(), 60, 4.16)[0]
    assert narrow.endswith(" 412/1,200  99/s  0:07 left  $0.41 of $20") and len(narrow) <= 60
    assert narrow.count("━") + narrow.count("╌") < first.count("━") + first.count("╌")


def test_at_160_columns_all_of_it_stands_in_one_line():
    (line,) = lines(state(), 160, 4.16)
    assert line.endswith("412/1,200 responses  99/s  0:07 left  $0.41 of $20  tok/s 9,910  in flight 16/16")
    assert len(line) <= 160


@pytest.mark.parametrize("width", [1, 5, 20, 40, 79, 80, 109, 110, 200])
@pytest.mark.parametrize(
    "extra", [{}, {"file": "a" * 300}, {"x": "\x1b[2J"}, {f"fact {n}": n for n in range(30)}]
)
def test_no_line_is_wider_than_the_terminal_and_none_steers_it(width, extra):
    shown = lines(state(**extra), width, 4.16)
    assert max(map(len, shown)) <= width and not any("\x1b" in line for line in shown)
    if width >= 20:
        assert any("412" in line for line in shown)


def test_the_rate_leaves_out_what_was_there_before():
    found = State("generate", "responses", 1_200, began=0.0)
    found.move(800, before=True, now=0.1)
    assert found.rate(1.0) is None and found.left(1.0) is None
    found.move(20, now=2.0)
    assert found.rate(2.0) == 10 and found.left(2.0) == 38
    assert found.done == 820


def test_the_rate_is_that_of_the_last_half_minute():
    found = State("train", "steps", None, began=0.0)
    for second in range(1, 101):
        found.move(1 if second <= 50 else 5, now=float(second))
    assert 4.9 <= found.rate(100.0) <= 5.1


def test_a_bar_that_does_not_move_shows_that_work_goes_on():
    found = State("verify", "rows", 100, began=0.0, moved=0.0)
    assert len({bar(found, 20, now) for now in (1.0, 1.2, 1.4, 1.6)}) > 1
    assert len({bar(found, 20, now) for now in (0.1, 0.2)}) == 1


def test_speed_and_clock():
    assert [speed(r) for r in (1234.5, 99, 2.34, 0.1, 0.001)] == [
        "1,234/s",
        "99/s",
        "2.3/s",
        "6.0/min",
        "3.6/h",
    ]
    assert [clock(s) for s in (8.9, 3723)] == ["0:08", "1:02:03"]


def test_counting_one_by_one_keeps_few_points():
    found = State("pairs", "problems", 10**6, began=0.0)
    for each in range(100_000):
        found.move(1, now=each / 10_000)
    assert len(found._past) <= 101 and 9_900 <= found.rate(10.0) <= 10_100


def test_what_is_printed_beside_a_bar_stays_where_it_was_printed():
    """rich draws it above the bar, on standard error, where it is not told otherwise."""
    code = "import contextlib, io\nfrom factory.progress import watch\nwith watch('x', 2) as task:\n    task.advance(1)\n    print('row')\n"
    code += "    with contextlib.redirect_stdout(io.StringIO()) as kept:\n        with watch('y', 2):\n            print('kept back')\n"
    code += "assert kept.getvalue() == 'kept back\\n'"
    env = os.environ | {"FACTORY_PROGRESS": "bar"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "row\n" and "row" not in done.stderr
