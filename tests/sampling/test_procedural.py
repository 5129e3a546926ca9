import asyncio
import json
from collections import Counter
from fractions import Fraction

import pytest

from factory.errors import UsageError
from factory.sampling.procedural import ProceduralSampler, count_tokens, first_tokens
from factory.sampling.sampler import Sampler, SampleRequest, SamplingParams
from factory.sources.families.scratch import MISFITS
from factory.sources.problems import read_problems
from factory.verification import CheckRequest, check
from schemas import ResponseStatus, Verdict

CLEAN = {"loop_rate": 0.0, "cut_rate": 0.0}


def problems(spec):
    return list(read_problems(spec).rows.iter_rows(named=True))


def request(row, index=0, seed=1, max_tokens=32_768):
    message = ({"role": "user", "content": row["problem"]},)
    return SampleRequest(row["id"], index, message, SamplingParams(max_tokens=max_tokens, seed=seed), row)


def boxed(content):
    text = content.rpartition("\\boxed{")[2]
    text = text.replace("\\frac{", "").replace("}{", "/")
    return Fraction(text.partition("}")[0])


ALL = problems("procedural:all?count=480&seed=4&repeats=0")
TERSE = problems("procedural:all?count=240&seed=4&repeats=0&style=terse")


@pytest.mark.parametrize("rows", [ALL, TERSE], ids=["long", "terse"])
def test_without_slips_every_answer_is_right(rows):
    teacher = ProceduralSampler(slip_rate=0, **CLEAN)
    for row in rows:
        done = teacher.answer(request(row))
        assert done.status == ResponseStatus.COMPLETE
        assert boxed(done.content) == Fraction(row["answer"]), row


@pytest.mark.parametrize("rows", [ALL, TERSE], ids=["long", "terse"])
def test_with_slips_every_answer_is_wrong_and_the_trace_says_the_same(rows):
    teacher = ProceduralSampler(slip_rate=1, **CLEAN)
    for row in rows:
        done = teacher.answer(request(row))
        assert boxed(done.content) != Fraction(row["answer"]), row
        assert not any(misfit in done.reasoning for misfit in MISFITS), "nobody notices the slip"
        assert not done.reasoning.endswith(" no")


def test_the_slip_rate_is_met_and_the_verifier_agrees():
    teacher = ProceduralSampler(slip_rate=0.25, **CLEAN)
    verdicts = Counter()
    for row in ALL[:120]:
        for index in range(5):
            done = teacher.answer(request(row, index))
            found = check(
                CheckRequest(done.content, row["answer"], row["answer_kind"], None, row["metadata"])
            )
            verdicts[found.verdict] += 1
            assert (found.verdict == Verdict.CORRECT) == (boxed(done.content) == Fraction(row["answer"]))
    assert set(verdicts) == {Verdict.CORRECT, Verdict.INCORRECT}
    assert 0.19 < verdicts[Verdict.INCORRECT] / 600 < 0.31


def test_a_trace_depends_on_seed_problem_and_index_alone():
    one, two = ProceduralSampler(), ProceduralSampler()
    backwards = {}
    for row in reversed(ALL[:50]):
        for index in (2, 0, 1):
            backwards[row["id"], index] = two.answer(request(row, index))
    for row in ALL[:50]:
        for index in range(3):
            assert one.answer(request(row, index)) == backwards[row["id"], index]
    row = ALL[7]
    assert len({one.answer(request(row, i)).reasoning for i in range(8)}) == 8
    assert one.answer(request(row, seed=1)) != one.answer(request(row, seed=2))
    assert one.wire_request(request(row, 0)) == one.wire_request(request(row, 5))
    assert one.wire_request(request(row, seed=1)) != one.wire_request(request(row, seed=2))
    assert one.wire_request(request(row)) != ProceduralSampler(slip_rate=0.5).wire_request(request(row))


def test_long_traces_are_long_chains_and_sometimes_mend_a_mistake():
    teacher = ProceduralSampler(slip_rate=0, wrong_turn_rate=0.2, redo_rate=0.5, **CLEAN)
    traces = [teacher.answer(request(row)).reasoning for row in ALL]
    assert sum(map(len, traces)) / len(traces) > 500
    restarts = sum("again from the beginning" in t or "start over" in t or "begin again" in t for t in traces)
    doubts = sum(
        any(w in t for w in ("Let me redo it", "Again:", "recompute that", "Once more:")) for t in traces
    )
    assert 0.2 < restarts / len(traces) < 0.6
    assert doubts > 0.2 * len(traces)
    searches = [t for t, row in zip(traces, ALL, strict=True) if row["source"] == "procedural:countdown"]
    assert sum("dead end" in t or "is not divisible" in t for t in searches) > 0.8 * len(searches)


def test_terse_traces_are_short_and_checked():
    rows = problems("procedural:modular_chain?count=200&seed=1&steps=3-5&modulus=10&style=terse")
    teacher = ProceduralSampler(**CLEAN)
    for row in rows:
        done = teacher.answer(request(row))
        assert len(done.reasoning) + len(done.content) < 120
        assert "check" in done.reasoning


def test_every_family_has_terse_traces_below_200_characters():
    teacher = ProceduralSampler(**CLEAN)
    by_family = {}
    for row in TERSE:
        length = len(teacher.answer(request(row)).reasoning)
        by_family.setdefault(row["source"], []).append(length)
    assert all(min(lengths) < 200 for lengths in by_family.values()), by_family


def test_loops_and_cuts_end_for_want_of_tokens_without_an_answer():
    looping, cutting = ProceduralSampler(loop_rate=1), ProceduralSampler(loop_rate=0, cut_rate=1)
    for row in [*ALL[:40], *TERSE[:40]]:
        looped, cut = looping.answer(request(row)), cutting.answer(request(row))
        assert (looped.status, looped.finish_reason, looped.content) == (
            ResponseStatus.LOOPED,
            "length",
            None,
        )
        assert (cut.status, cut.finish_reason, cut.content) == (
            ResponseStatus.CUT_IN_REASONING,
            "length",
            None,
        )
        parts = [line for line in looped.reasoning.replace("; ", "\n").split("\n") if line]
        assert Counter(parts).most_common(1)[0][1] >= 10


def test_the_token_budget_is_kept():
    teacher = ProceduralSampler(slip_rate=0, **CLEAN)
    for row in ALL[:40]:
        whole = teacher.answer(request(row))
        for budget in (5, whole.reasoning_tokens, whole.reasoning_tokens + 1, whole.completion_tokens):
            done = teacher.answer(request(row, max_tokens=budget))
            assert done.completion_tokens <= budget
            expected = (
                ResponseStatus.COMPLETE
                if budget == whole.completion_tokens
                else ResponseStatus.CUT_IN_ANSWER
                if budget > whole.reasoning_tokens
                else ResponseStatus.CUT_IN_REASONING
            )
            assert done.status == expected
            assert whole.reasoning.startswith(done.reasoning)


def test_first_tokens_counts_as_count_tokens_does():
    text = "So 3 + 4 = 7, and \\boxed{7}."
    for count in range(count_tokens(text) + 2):
        assert count_tokens(first_tokens(text, count)) == min(count, count_tokens(text))


@pytest.mark.parametrize(
    "metadata", [None, "{}", '{"family": "no_such"}', "not json", "[1]", '{"family": "gcd_lcm"}']
)
def test_a_problem_of_no_family_fails_with_the_remedy(metadata):
    row = {"id": "x", "problem": "What is love?", "metadata": metadata}
    done = ProceduralSampler().answer(request(row))
    assert done.status == ResponseStatus.FAILED and done.content is None
    assert "problem x comes from no procedural family" in done.error and "--teacher" in done.error


def test_tampered_parameters_fail_and_do_not_crash():
    row = ALL[0] | {
        "metadata": json.dumps({"family": "modular_chain", "params": {"modulus": 0}, "style": "long"})
    }
    done = ProceduralSampler().answer(request(row))
    assert done.status == ResponseStatus.FAILED and "modular_chain" in done.error


def test_it_is_a_sampler_and_refuses_unknown_habits():
    teacher = ProceduralSampler()
    assert isinstance(teacher, Sampler)

    async def collect():
        return [pair async for pair in teacher.sample([request(row) for row in ALL[:3]])]

    answered = asyncio.run(collect())
    assert [asked.problem_id for asked, _ in answered] == [row["id"] for row in ALL[:3]]
    with pytest.raises(UsageError, match="has no slips"):
        ProceduralSampler(slips=0.2)
    with pytest.raises(UsageError, match="slip_rate must be from 0 to 1"):
        ProceduralSampler(slip_rate=2)


def test_steps_done_in_the_head_are_left_out_and_the_answer_stays():
    whole, hasty = (ProceduralSampler(slip_rate=0, skip_rate=rate, **CLEAN) for rate in (0.0, 0.5))
    lines = Counter()
    for row in TERSE:
        full, short = whole.answer(request(row)), hasty.answer(request(row))
        assert boxed(short.content) == Fraction(row["answer"])
        written = full.reasoning.split("; ")
        assert set(short.reasoning.split("; ")) <= set(written)
        lines.update(full=len(written), short=len(short.reasoning.split("; ")))
    assert 0.4 < lines["short"] / lines["full"] < 0.85


def test_with_every_step_in_the_head_a_trace_is_still_whole():
    teacher = ProceduralSampler(slip_rate=0.5, skip_rate=1, loop_rate=0.2, cut_rate=0.2)
    for row in TERSE:
        assert teacher.answer(request(row)).status != ResponseStatus.FAILED
