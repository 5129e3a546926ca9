"""The bounds of a reply, at their edges, without waiting."""

import pytest

from factory.sampling.stream import FIRST_TOKEN, SLOWEST, Patience
from factory.sampling.usage import Counted, Usage, booked, count


def test_the_first_token_may_take_longer_than_the_next():
    patience = Patience(300.0, began=10.0)
    assert patience.until == 10 + FIRST_TOKEN * 300
    assert patience.see(0, 500.0) == 10 + FIRST_TOKEN * 300, "comments are no progress"
    assert patience.see(1, 500.0) == 800


def test_a_trickle_is_no_progress():
    patience = Patience(300.0, began=0.0)
    patience.see(1, 1.0)
    need = int(SLOWEST * 300)
    assert patience.see(need, 290.0) == 301
    assert patience.see(1 + need, 300.0) == 600


@pytest.mark.parametrize(
    ("value", "tokens"),
    [(22, 22), (22.0, 22), ("22", 22), (True, None), (-1, None), (2**40, None), ("many", None), (None, None)],
)
def test_only_plausible_numbers_are_counts(value, tokens):
    assert count(value) == tokens


def test_the_larger_of_said_and_counted_is_booked():
    counted = Counted()
    for piece in ("first wo", "rd and", " more ", "words"):
        counted.add(piece)
        counted.pieces += 1
    assert counted.words == 5
    assert booked(3, counted) == 5
    assert booked(9, counted) == 9
    assert booked(None, counted) == booked(0, counted) == 5
    letters = Counted()
    letters.add("a " * 8_000)
    assert booked(None, letters) == 8_000


def test_usage_of_each_piece_is_added_up_and_a_running_one_is_not():
    each, running = Usage(), Usage()
    for number in range(1, 11):
        each.add({"completion_tokens": 2})
        running.add({"completion_tokens": 2 * number})
    assert each.number("completion_tokens", pieces=10) == 20
    assert running.number("completion_tokens", pieces=10) == 20
