"""Pairs: both sides are given back whole, and the fork is the first character that differs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from factory.report.viewer import difference
from factory.report.viewer.difference import compare

SENTENCES = st.lists(
    st.sampled_from(["So 3. ", "So 4. ", "Wait!\n", "x", "答案是7。 ", " ", "....", "\n\n"]), max_size=30
).map("".join)


def whole(pieces, text):
    """The pieces' text with what they leave out put back."""
    at = 0
    for piece in pieces:
        if piece.kind == "omitted":
            at += int(piece.text.replace(",", ""))
        else:
            assert text[at : at + len(piece.text)] == piece.text
            at += len(piece.text)
    assert at == len(text)


@given(SENTENCES, SENTENCES)
def test_nothing_is_lost_and_the_fork_is_common(left, right):
    found = compare(left, right)
    whole(found.left, left)
    whole(found.right, right)
    assert left[: found.fork] == right[: found.fork]
    assert found.equal == (left == right)
    if not found.equal:
        assert [piece.kind for piece in found.left].count("fork") == 1
        same = ["".join(p.text for p in side if p.kind == "same") for side in (found.left, found.right)]
        assert same[0] == same[1] or "omitted" in {p.kind for p in found.left}


def test_the_first_word_that_differs_is_marked():
    found = compare("First add. That is 17. So 17.", "First add. That is 18. So 18.")
    assert found.fork == len("First add. That is ")
    assert found.left[-1].text.startswith("17")


def test_long_texts_are_compared_from_both_ends(monkeypatch):
    monkeypatch.setattr(difference, "MOST_PRODUCT", 4)
    found = compare("a. b. c. d. e. same end.", "a. x. y. z. e. same end.")
    assert [piece.text for piece in found.left if piece.kind == "changed"] == ["b. c. d. "]
    assert found.left[-1].text == "e. same end."


def test_what_both_say_at_length_is_left_out():
    common = "The same sentence again and again. " * 200
    found = compare("A. " + common + "End.", "B. " + common + "Stop.")
    assert any(piece.kind == "omitted" for piece in found.left)
    assert sum(len(piece.text) for piece in found.left) < 2_000


def test_texts_beyond_the_limit_are_cut_and_it_is_said():
    found = compare("a" * 300_000, "b")
    assert found.cut
