"""Going on with cut answers, against a server that checks that the pieces fit together."""

import pytest

from factory.config.generate import GenerateSection
from factory.errors import UsageError
from factory.run.parts import read_parts
from factory.run.step_writer import StepWriter
from factory.sampling.presets import PRESETS
from factory.sampling.sampler import Completion
from factory.sampling.store.journal import ResponseStore
from factory.sampling.truncation import Continues, Truncation, beginning
from factory.steps import generate as step
from schemas import PROBLEM, ResponseStatus


def run(server, frame, tmp_path, out="out", **changes):
    source = tmp_path / f"problems{frame.height}"
    if not source.exists():
        with StepWriter(source, "problems", PROBLEM) as writer:
            writer.keep(frame)
            writer.finish(rows_in=frame.height)
    settings = {"teacher": "vllm", "model": "m", "base_url": server.url, "prompt": "{problem}", "samples": 2}
    section = GenerateSection(**settings | {"concurrency": 4} | changes)
    manifest = step.run(source, tmp_path / out, section, store=tmp_path / "store", seed=0).manifest
    return manifest, read_parts(tmp_path / out)


SAME = ["problem_id", "sample_index", "reasoning", "content", "status"]


@pytest.mark.parametrize("style", ["inline", "reasoning_content", "reasoning"])
@pytest.mark.parametrize("teacher", ["vllm", "deepseek-flash", "deepseek-r1-local"])
def test_pieces_are_joined_as_if_never_cut(serve, problems, tmp_path, style, teacher):
    server = serve(chain=50, style=style)
    _, whole = run(server, problems(3), tmp_path, "whole", teacher=teacher, max_tokens=400)
    assert set(whole["status"]) == {"complete"}
    before = server.get("stats")["asked"]
    prices = {"price": (1e6, 2e6)}
    cut = {"teacher": teacher, "max_tokens": 17, "truncation": "continue", **prices}
    manifest, rows = run(server, problems(3), tmp_path, "cut", **cut)
    assert server.get("stats")["asked"] - before == 6 * 4, "56 tokens in pieces of 17"
    assert rows.select(SAME).equals(whole.select(SAME))
    # The same text at the same number of written tokens; the prompt was paid for four times.
    assert rows["completion_tokens"].equals(whole["completion_tokens"])
    assert set(rows["max_tokens"]) == {4 * 17}
    assert (rows["prompt_tokens"] >= 4 * whole["prompt_tokens"]).all()
    assert rows["usd"].to_list() == (rows["prompt_tokens"] + 2 * rows["completion_tokens"]).to_list()
    totals = manifest["totals"]
    assert totals["usd"] == rows["usd"].sum()
    with ResponseStore(tmp_path / "store") as store:
        spent = store.spent(step.job_name(tmp_path / "cut"))
    assert spent == (totals["usd"], totals["completion_tokens"]), "each piece is booked once"
    run(server, problems(3), tmp_path, "again", **cut)
    assert server.get("stats")["asked"] - before == 6 * 4, "pieces are in the store like any response"


def test_a_chain_without_end_is_kept_cut(serve, problems, tmp_path):
    server = serve(chain=200, style="inline")
    _, rows = run(server, problems(2), tmp_path, max_tokens=20, truncation="continue")
    assert server.get("stats")["asked"] == 4 * 4, "the first answer and three continuations"
    assert set(rows["status"]) == {"cut_in_reasoning"}
    assert set(rows["completion_tokens"]) == set(rows["max_tokens"]) == {80}


def test_answers_without_reasoning_are_gone_on_with(serve, problems, tmp_path):
    server = serve(chain=50, style="none")
    _, whole = run(server, problems(2), tmp_path, "whole", max_tokens=400)
    _, rows = run(server, problems(2), tmp_path, "cut", max_tokens=15, truncation="continue")
    assert rows.select(SAME).equals(whole.select(SAME))
    assert set(rows["status"]) == {"no_reasoning"}


@pytest.mark.parametrize(("teacher", "status"), [("vllm", "cut_in_answer"), ("deepseek-flash", "complete")])
def test_an_answer_cut_after_its_reasoning(serve, problems, tmp_path, teacher, status):
    """vLLM's templates would drop the closed reasoning and the model would go on without it; DeepSeek takes it."""
    server = serve(chain=50)
    _, rows = run(server, problems(2), tmp_path, teacher=teacher, max_tokens=27, truncation="continue")
    assert set(rows["status"]) == {status}
    assert rows["content"].str.starts_with("It is").all()
    assert rows["content"].str.contains("boxed").all() == (status == "complete")


def test_faults_in_a_continuation_are_tried_again_from_where_it_began(serve, problems, tmp_path):
    server = serve(chain=50, style="inline", faults={"reset_during": 0.3, "500": 0.2}, per_request=2)
    _, rows = run(server, problems(4), tmp_path, max_tokens=17, truncation="continue")
    server.set(chain=50, style="inline")
    _, whole = run(server, problems(4), tmp_path, "whole", max_tokens=400)
    assert rows.select(SAME).equals(whole.select(SAME))


@pytest.mark.parametrize("teacher", ["openai", "qwen3", "gpt-oss", None])
def test_teachers_that_would_start_anew_are_refused(teacher):
    with pytest.raises(UsageError, match="cannot go on"):
        Truncation("continue", PRESETS[teacher] if teacher else None)
    with pytest.raises(UsageError, match="cannot go on"):
        Truncation("continue", PRESETS["vllm"], batch=True)


def test_what_is_whole_or_empty_is_not_gone_on_with():
    for status in ResponseStatus:
        if not status.startswith("cut"):
            assert beginning(Completion("r", "c", status), Continues.PREFIX) is None
    assert beginning(Completion(None, None, ResponseStatus.CUT_IN_REASONING), Continues.FINAL_MESSAGE) is None


@pytest.mark.parametrize(
    ("tokens", "asked", "again"),
    [(16_384, 0, 32_768), (16_385, 0, None), (8_192, 1, 16_384), (8_192, 2, None), (32_768, 0, None)],
)
def test_a_budget_is_doubled_up_to_exactly_what_the_teacher_writes(tokens, asked, again):
    from dataclasses import replace

    from factory.sampling.sampler import SampleRequest, SamplingParams

    truncation = Truncation("larger", replace(PRESETS["vllm"], most_tokens=32_768))
    request = SampleRequest(
        "p", 0, ({"role": "user", "content": "?"},), SamplingParams(max_tokens=tokens), follow_ups=asked
    )
    cut = Completion(
        reasoning="so", content=None, status=ResponseStatus.CUT_IN_REASONING, finish_reason="length"
    )
    follow = truncation.follow_up(request, cut)
    assert (follow.params.max_tokens if follow else None) == again
    assert truncation.follow_up(request, replace(cut, status=ResponseStatus.COMPLETE)) is None
