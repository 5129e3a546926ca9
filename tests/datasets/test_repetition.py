"""The loop score on made and on real traces."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.config.datasets import DatasetsSection
from factory.datasets.repetition import SHINGLE, loop_score

TRACES = Path(__file__).resolve().parents[3] / "shared" / "data" / "traces"
LIMIT = DatasetsSection().max_loop_score


def prose(characters, seed=0):
    """Text of random words: long stretches never come again."""
    rng = random.Random(seed)
    words = ["".join(rng.choice("abcdefghijklm") for _ in range(rng.randint(2, 9))) for _ in range(5_000)]
    return " ".join(rng.choice(words) for _ in range(characters // 4))[:characters]


def test_prose_has_no_loops():
    assert loop_score(prose(20_000)) < 0.02


@pytest.mark.parametrize(
    "loop", ["!", "wait, ", "So x = 3. Let me check again. ", "再检查一次这个答案对不对。", "\\frac{1}{2} + "]
)
@pytest.mark.parametrize("where", [0, 9_000, 20_000])
def test_a_loop_is_found_wherever_it_stands(loop, where):
    text = prose(20_000)
    looped = text[:where] + (loop * 2_000)[:1_500] + text[where:]
    assert loop_score(looped) > 0.9


def test_paragraphs_that_come_again_are_a_loop():
    paragraph = prose(400, seed=1) + ". "
    assert loop_score(prose(5_000) + paragraph * 6) > 0.9


def test_a_repeated_sentence_now_and_then_is_none():
    text = "".join(prose(300, seed) + " Let me check this once more. " for seed in range(40))
    assert loop_score(text) < 0.2


@given(st.text(max_size=300))
@settings(deadline=None)
def test_any_text_has_a_score(text):
    assert 0 <= loop_score(text) <= 1
    if len(text) < 2 * SHINGLE:
        assert loop_score(text) == 0


def test_the_worst_stretch_counts_not_the_mean():
    healthy = prose(100_000)
    assert loop_score(healthy + "no " * 500) > 0.9


def test_lone_surrogates_do_not_break_it():
    assert loop_score("a\ud800b" * 100) > 0.9


def traces(name):
    path = TRACES / f"{name}.jsonl"
    if not path.exists():
        pytest.skip(f"{path.name} is not here")
    return [json.loads(line) for line in path.open(encoding="utf-8")]


def test_the_real_run_of_exclamation_marks_is_found_alone():
    rows = traces("openmathreasoning_mini_r1_72")
    found = [row for row in rows if loop_score(row["response"]) > LIMIT]
    assert len(found) == 1
    assert found[0]["response"].endswith("!" * 1_000)


def test_long_real_traces_that_end_well_are_not_loops():
    rows = traces("prmbench_qwq") + traces("qwen_math_cot_100")
    assert not [row["id"] for row in rows if loop_score(row["response"]) > LIMIT]
