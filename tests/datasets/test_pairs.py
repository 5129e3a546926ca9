"""How responses are paired up."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.datasets.pairs import boxed, length, pair_up


def said(text, answer="1", box=True):
    return {
        "reasoning": text,
        "content": rf"\boxed{{{answer}}}" if box else f"It is {answer}.",
        "extracted": answer,
        "response_id": text[:20],
    }


def test_nearest_length():
    chosen = [said("one two three four " * n) for n in (3, 30)]
    rejected = [said("five six seven eight " * n, "2") for n in (28, 90)]
    (pair,) = pair_up(chosen, rejected, "nearest_length", 1)
    assert pair.chosen is chosen[1]
    assert pair.rejected is rejected[0]


def test_hardest_negative_is_the_wrong_answer_given_most_often():
    chosen = [said("alpha beta gamma delta epsilon")]
    rejected = [said("a b c d", "9"), said("alpha beta gamma other words", "2"), said("e f g h", "2")]
    (pair,) = pair_up(chosen, rejected, "hardest_negative", 1)
    assert pair.rejected is rejected[1]


def test_most_different():
    chosen = [said("alpha beta gamma delta epsilon zeta")]
    rejected = [said("alpha beta gamma delta epsilon eta", "2"), said("nothing of this is alike here", "2")]
    (pair,) = pair_up(chosen, rejected, "most_different", 1)
    assert pair.rejected is rejected[1]


def test_longest_chosen():
    chosen = [said("alpha beta gamma"), said("alpha beta gamma delta epsilon zeta")]
    rejected = [said("one two three four", "2"), said("one two", "2")]
    (pair,) = pair_up(chosen, rejected, "longest_chosen", 1)
    assert (pair.chosen, pair.rejected) == (chosen[1], rejected[1])


def test_the_same_format_comes_first():
    chosen = [said("alpha beta gamma delta")]
    rejected = [
        said("kappa lambda mu nu", "2", box=False),
        said("kappa lambda mu nu xi omicron pi rho" * 5, "2"),
    ]
    (pair,) = pair_up(chosen, rejected, "nearest_length", 1)
    assert pair.rejected is rejected[1]
    assert boxed(pair.rejected)


def test_near_identical_sides_make_no_pair():
    text = " ".join(f"word{i}" for i in range(200))
    assert pair_up([said(text)], [said(text)], "nearest_length", 1) == []
    assert pair_up([said(text)], [said(text + " and so on", "2")], "nearest_length", 1) == []
    assert len(pair_up([said(text)], [said(text + " and so on", "2")], "nearest_length", 1, 1.0)) == 1


sides = st.lists(st.text("abc ", min_size=3, max_size=40), min_size=0, max_size=5)


@given(
    sides,
    sides,
    st.integers(1, 4),
    st.sampled_from(["nearest_length", "hardest_negative", "most_different", "longest_chosen"]),
)
@settings(deadline=None)
def test_no_response_is_used_twice(left, right, count, rule):
    chosen, rejected = [said(t) for t in left], [said(t, "2") for t in right]
    pairs = pair_up(chosen, rejected, rule, count)
    assert len(pairs) <= min(count, len(set(left)), len(set(right)))
    assert len({p.chosen["reasoning"] for p in pairs}) == len(pairs)
    assert len({p.rejected["reasoning"] for p in pairs}) == len(pairs)
    assert all(p.similarity <= 0.95 for p in pairs)
    if rule == "nearest_length" and pairs:
        ratios = [abs(math.log(length(p.chosen) / length(p.rejected))) for p in pairs]
        assert ratios[0] == pytest.approx(min(ratios))
