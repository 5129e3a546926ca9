"""The generate step and its verbs, against real servers and the procedural teacher."""

import polars as pl
import pytest

from factory.config.generate import GenerateSection
from factory.errors import Stopped, UsageError
from factory.run.parts import check_parts, read_dropped, read_parts
from factory.run.step_writer import StepWriter
from factory.sampling.store.journal import ResponseStore
from factory.steps import generate as step
from schemas import PROBLEM, RESPONSE


@pytest.fixture
def section(serve):
    """`section(server, **changes)`."""

    def make(server, **changes):
        settings = {
            "teacher": "vllm",
            "model": "fake-r1",
            "base_url": server.url,
            "prompt": "{problem}",
            "max_tokens": 64,
            "samples": 2,
            "concurrency": 8,
        }
        return GenerateSection(**settings | changes)

    return make


def written(folder, frame):
    with StepWriter(folder, "problems", PROBLEM) as writer:
        writer.keep(frame)
        writer.finish(rows_in=frame.height)
    return folder


def run(problems, tmp_path, section, out="out", **options):
    return step.run(problems, tmp_path / out, section, store=tmp_path / "store", seed=0, **options).manifest


def test_rows_are_whole_ordered_and_declared(serve, section, problems, tmp_path):
    server = serve()
    source = written(tmp_path / "p", problems(30, cluster_id=pl.Series(range(30))))
    manifest = run(source, tmp_path, section(server))
    rows = read_parts(tmp_path / "out")
    assert rows.columns[: len(RESPONSE.names)] == RESPONSE.names
    assert rows.select("problem_id", "sample_index").rows() == [
        (f"q{i}", s) for i in range(30) for s in (0, 1)
    ]
    assert rows["cluster_id"].to_list() == [i for i in range(30) for _ in (0, 1)]
    assert rows["response_id"].n_unique() == 60
    assert rows["request_key"].n_unique() == 30
    assert manifest["rows_in"] == manifest["rows_out"] == 60
    assert manifest["totals"]["completion_tokens"] == rows["completion_tokens"].sum()
    assert manifest["totals"]["alarms"] == []
    check_parts(tmp_path / "out")


def test_the_same_twice_over_different_ways_is_byte_identical(serve, section, problems, tmp_path):
    source = written(tmp_path / "p", problems(40))
    run(source, tmp_path, section(serve(), concurrency=32), out="a")
    faulty = serve(faults={"500": 0.2, "reset_during": 0.2}, per_request=2)
    again = section(faulty, concurrency=3)
    step.run(source, tmp_path / "b", again, store=tmp_path / "other", seed=0)
    one, two = ((tmp_path / out / "part-00000.parquet").read_bytes() for out in "ab")
    assert one == two


def test_more_samples_and_problems_buy_only_the_difference(serve, section, problems, tmp_path):
    server = serve()
    run(written(tmp_path / "p", problems(10)), tmp_path, section(server))
    assert server.get("stats")["asked"] == 20
    run(written(tmp_path / "p", problems(10)), tmp_path, section(server, samples=3))
    assert server.get("stats")["asked"] == 30
    run(written(tmp_path / "p2", problems(12)), tmp_path, section(server, samples=3), out="renamed")
    assert server.get("stats")["asked"] == 36
    run(written(tmp_path / "p2", problems(12)), tmp_path, section(server, samples=3), out="renamed")
    assert server.get("stats")["asked"] == server.get("stats")["identities"] == 36
    run(written(tmp_path / "p", problems(10)), tmp_path, section(server, max_tokens=65))
    assert server.get("stats")["asked"] == 56


def test_failed_requests_are_dropped_with_their_reason_and_owed_again(
    serve, section, problems, tmp_path, monkeypatch
):
    monkeypatch.setattr("factory.sampling.schedule.TRIES", 2)
    server = serve(faults={"bad_sse": 0.5}, per_request=1000)
    source = written(tmp_path / "p", problems(12))
    monkeypatch.setattr("factory.sampling.job.schedule_of", quick)
    manifest = run(source, tmp_path, section(server))
    failed = manifest["dropped"]["failed"]
    assert 0 < failed < 24
    dropped = read_dropped(tmp_path / "out")
    assert dropped.height == failed
    assert dropped["detail"].is_not_null().all()
    assert read_parts(tmp_path / "out").height == 24 - failed
    server.set()
    manifest = run(source, tmp_path, section(server))
    assert manifest["dropped"] == {}
    assert manifest["rows_out"] == 24


def quick(section, max_tokens):
    from factory.sampling.limits import AdaptiveLimit
    from factory.sampling.schedule import Schedule

    return Schedule(limit=AdaptiveLimit(fixed=8), tries=2, base_pause=0.01)


def test_dollars_never_exceed_the_cap(serve, section, problems, tmp_path):
    server = serve(tokens=[5, 60])
    source = written(tmp_path / "p", problems(100))
    capped = section(server, price=(1.0, 2.0), max_usd=0.004)
    with pytest.raises(Stopped, match="budget spent"):
        run(source, tmp_path, capped)
    with ResponseStore(tmp_path / "store") as store:
        spent, _ = store.spent(step.job_name(tmp_path / "out"))
    assert 0.0036 < spent <= 0.004
    before = server.get("stats")["asked"]
    with pytest.raises(Stopped):
        run(source, tmp_path, capped)
    assert server.get("stats")["asked"] == before, "the cap holds over both attempts together"
    manifest = run(source, tmp_path, section(server, price=(1.0, 2.0), max_usd=1.0))
    assert manifest["rows_out"] == 200
    assert manifest["totals"]["usd"] == pytest.approx(read_parts(tmp_path / "out")["usd"].sum())
    assert server.get("stats")["asked"] == 200


def test_tokens_never_exceed_the_cap(serve, section, problems, tmp_path):
    server = serve(tokens=[5, 60])
    with pytest.raises(Stopped, match="completion tokens"):
        run(written(tmp_path / "p", problems(100)), tmp_path, section(server, max_tokens_total=3_000))
    with ResponseStore(tmp_path / "store") as store:
        _, spent = store.spent(step.job_name(tmp_path / "out"))
    assert 2_900 < spent <= 3_000


def test_a_cap_in_dollars_needs_prices(serve, section, problems, tmp_path):
    with pytest.raises(UsageError, match="no price list"):
        run(written(tmp_path / "p", problems(1)), tmp_path, section(serve(), max_usd=1.0))


def test_a_reasoning_teacher_without_reasoning_stops_early(serve, section, problems, tmp_path):
    server = serve(style="none")
    with pytest.raises(Stopped, match="hold no reasoning"):
        run(written(tmp_path / "p", problems(200)), tmp_path, section(server, teacher="qwen3"))
    assert server.get("stats")["asked"] < 100


def test_identical_siblings_and_a_changed_model_raise_alarms(serve, section, problems, tmp_path):
    server = serve()
    same = section(server, teacher="openai", api_key_env=None)
    manifest = run(written(tmp_path / "p", problems(10)), tmp_path, same)
    assert any("byte-identical" in alarm for alarm in manifest["totals"]["alarms"])
    server.set(model="fake-r2")
    manifest = run(
        written(tmp_path / "p", problems(10)), tmp_path, section(server, teacher="openai", samples=3)
    )
    assert any("served model changed" in alarm for alarm in manifest["totals"]["alarms"])
    assert manifest["totals"]["served_models"] == {"fake-r1": 20, "fake-r2": 10}


def test_longer_answers_are_reported(serve, section, problems, tmp_path):
    server = serve(tokens=[10, 20])
    run(written(tmp_path / "p", problems(200)), tmp_path, section(server, samples=1, max_tokens=500))
    server.set(tokens=[200, 300])
    manifest = run(
        written(tmp_path / "p2", problems(400)), tmp_path, section(server, samples=1, max_tokens=500)
    )
    assert any("lengths moved" in alarm for alarm in manifest["totals"]["alarms"])


def test_a_jump_in_refusals_is_reported(serve, section, problems, tmp_path):
    server = serve()
    run(written(tmp_path / "p", problems(200)), tmp_path, section(server, samples=1))
    server.set(style="refusal")
    manifest = run(written(tmp_path / "p2", problems(400)), tmp_path, section(server, samples=1))
    assert manifest["totals"]["statuses"] == {"complete": 200, "refused": 200}
    assert any("share of refusals" in alarm for alarm in manifest["totals"]["alarms"])


def test_tokens_that_loops_did_not_write_are_counted(serve, section, problems, tmp_path):
    server = serve(tokens=60_000, rate=5_000, chunk=50, loop=True)
    source = written(tmp_path / "p", problems(2))
    manifest = run(source, tmp_path, section(server, samples=1, max_tokens=60_000))
    rows = read_parts(tmp_path / "out")
    assert set(rows["status"]) == {"looped"}
    saved = manifest["totals"]["loop_tokens_saved"]
    assert saved == 2 * 60_000 - rows["completion_tokens"].sum() > 100_000


def test_larger_budgets_follow_upon_cut_answers(serve, section, problems, tmp_path):
    server = serve(finish="length")
    source = written(tmp_path / "p", problems(3))
    manifest = run(source, tmp_path, section(server, truncation="larger", max_tokens=16))
    assert server.get("stats")["asked"] == 6 * 3, "16, then 32, then 64, and no further"
    rows = read_parts(tmp_path / "out")
    assert set(rows["max_tokens"]) == {64}
    assert set(rows["status"]) == {"cut_in_reasoning"}
    assert manifest["rows_out"] == 6
    run(source, tmp_path, section(server, truncation="keep", max_tokens=16), out="kept")
    assert server.get("stats")["asked"] == 18
    assert set(read_parts(tmp_path / "kept")["max_tokens"]) == {16}


def procedural(**changes):
    return GenerateSection(**{"teacher": "procedural", "samples": 4, "slip_rate": 0.5} | changes)


def accepted_run(tmp_path, name, **changes):
    source = ["procedural:all?count=40&seed=3"]
    return step.run_files(
        source, tmp_path / name, procedural(**changes), store=tmp_path / f"{name}-store", seed=0
    ).manifest


def test_accept_stops_at_n_correct_and_unsolved_problems_come_first(tmp_path):
    from factory.config.verify import VerifySection
    from factory.verification import verify_responses

    manifest = accepted_run(tmp_path, "a", accept=50)
    rows = verify_responses(read_parts(tmp_path / "a"), VerifySection())
    correct = rows.filter(pl.col("verdict") == "correct")
    assert manifest["totals"]["accepted"] == correct.height
    assert 50 <= correct.height <= 60
    assert manifest["totals"]["candidates"] == rows.height < 160
    counts = dict(rows.group_by("problem_id").len().iter_rows())
    solved = set(correct["problem_id"])
    least = min(count for name, count in counts.items() if name not in solved)
    assert max(counts[name] for name in solved) <= least + 1, (
        "a solved problem is not asked while others wait"
    )
    again = accepted_run(tmp_path, "b", accept=50)
    assert again["output_digest"] == manifest["output_digest"]


def test_accept_respects_the_most_candidates(tmp_path):
    manifest = accepted_run(tmp_path, "a", accept=90, max_candidates=90)
    assert manifest["totals"]["candidates"] == manifest["rows_out"] == 90
    unlimited = accepted_run(tmp_path, "b", accept=1_000)
    assert unlimited["rows_out"] == 160
