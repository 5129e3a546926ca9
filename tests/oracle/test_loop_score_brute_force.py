"""The loop score beside the plain definition, shingle by shingle."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from factory.datasets.repetition import REACH, SHINGLE, STRETCH, loop_score


def plain(text: str) -> float:
    if len(text) < 2 * SHINGLE:
        return 0.0
    last: dict[str, int] = {}
    repeated = []
    for i in range(len(text) - SHINGLE + 1):
        shingle = text[i : i + SHINGLE]
        repeated.append(shingle in last and i - last[shingle] <= REACH)
        last[shingle] = i
    width = min(STRETCH, len(repeated))
    return max(sum(repeated[i : i + width]) for i in range(len(repeated) - width + 1)) / width


pieces = st.lists(
    st.sampled_from(["wait, ", "x = 3", "\ud800", "!", "等等", "so the answer is 4. ", "\n"]), max_size=400
)


@settings(max_examples=150, deadline=None)
@given(pieces.map("".join))
@example("!" * 3_000)
@example("".join(map(str, range(700))) * 2)
@example("ab" * 24)
def test_the_compiled_score_is_the_plain_one(text: str) -> None:
    assert loop_score(text) == plain(text)
