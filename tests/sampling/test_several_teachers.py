"""Several teachers answer the shares that the recipe gives them; together they spend from one account."""

from collections import Counter

import pytest

from factory.cli.main import build_app
from factory.config.generate import GenerateSection
from factory.errors import Stopped, UsageError
from factory.run.parts import read_parts
from factory.sampling.rows import FIRST, INDICES, MISSING
from factory.steps import generate as step
from factory.steps.generate_shares import shared_out, summed


def section(*servers, shares=(0.25,), **changes):
    first, *others = [
        {"teacher": "vllm", "model": f"model-{n}", "base_url": server.url, "price": (1.0, 2.0)}
        for n, server in enumerate(servers)
    ]
    listed = [each | {"share": share} for each, share in zip(others, shares, strict=True)]
    return GenerateSection(
        **first | {"others": listed, "samples": 8, "max_tokens": 64, "prompt": "{problem}"} | changes
    )


def asked(server):
    return server.get("stats")["asked"]


def run(own, problems, tmp_path, name="out"):
    path = tmp_path / "p.parquet"
    problems.write_parquet(path)
    return step.run_files([str(path)], tmp_path / name, own, store=tmp_path / "store", seed=0)


def test_each_is_asked_for_its_share_and_every_sample_is_there_once(serve, problems, tmp_path):
    one, other, third = serve(), serve(), serve()
    result = run(section(one, other, third, shares=(0.25, 0.25)), problems(40), tmp_path)
    rows = read_parts(tmp_path / "out")
    counts = Counter(rows["model"])
    assert counts == {"model-0": asked(one), "model-1": asked(other), "model-2": asked(third)}
    assert counts.total() == 320 and abs(counts["model-1"] - 80) < 8 and abs(counts["model-2"] - 80) < 8
    assert rows.select("problem_id", "sample_index").is_unique().all() and set(rows["sample_index"]) == set(
        range(8)
    )
    per = rows.group_by("problem_id", "model").len()["len"]
    assert (per.min(), per.max()) in {(1, 5), (1, 6), (2, 5)}  # of 8, 2 on average for each other
    assert result.summary.model == "model-0 + model-1 + model-2" and result.summary.teacher == "vllm"
    assert result.summary.usd == pytest.approx(rows["usd"].sum())
    again = run(section(one, other, third, shares=(0.25, 0.25)), problems(40), tmp_path)
    assert not again.made and asked(one) + asked(other) + asked(third) == 320


def test_more_samples_and_other_problems_keep_what_was_answered(serve, problems, tmp_path):
    one, other = serve(), serve()
    run(section(one, other), problems(6), tmp_path)
    run(section(one, other, samples=10), problems(9), tmp_path, "more")
    assert asked(one) + asked(other) == 90


def test_a_cap_counts_what_all_spend(serve, problems, tmp_path):
    one, other = serve(tokens=50), serve(tokens=50)
    own = section(one, other, shares=(0.5,), samples=4, max_usd=0.004, concurrency=1)
    with pytest.raises(Stopped):
        run(own, problems(20), tmp_path)
    assert 0 < asked(one) + asked(other) < 80


def test_the_verb_shows_what_all_are_asked_and_takes_them_as_a_flag(serve, problems, tmp_path, capsys):
    one, other = serve(), serve()
    problems(5).write_parquet(tmp_path / "p.parquet")
    words = [
        "generate",
        str(tmp_path / "p.parquet"),
        "--out",
        str(tmp_path / "o"),
        "--teacher",
        "vllm",
        "--model",
        "a",
    ]
    words += ["--base-url", one.url, "--price", "0,1", "--samples", "4", "--max-tokens", "1000000"]
    words += ["--others", f"teacher=vllm,model=b,base_url={other.url},share=0.5"]
    build_app().main(args=[*words, "--dry-run"], standalone_mode=False)
    said = capsys.readouterr().out
    assert "5 problems x 4 samples = 20 responses" in said and "to be bought: 20" in said
    assert "at the very most" not in said  # the other has no price
    build_app().main(args=words, standalone_mode=False)
    assert asked(one) + asked(other) == 20 and asked(other) >= 5
    with pytest.raises(UsageError, match="--others teacher is not of the form NAME=VALUE"):
        build_app().main(args=[*words, "--others", "teacher"], standalone_mode=False)


def test_what_is_owed_is_shared_out(problems):
    def rows():
        yield from ({"id": f"p{n}", FIRST: 3, MISSING: n % 4} for n in range(50))

    own = GenerateSection(others=[{"teacher": "qwq", "share": 0.5}])
    parts = [list(shared_out(rows, own, place)) for place in (0, 1)]
    for row, *mine in zip(rows(), *parts, strict=True):
        assert sorted(n for each in mine for n in each[INDICES]) == list(range(3, 3 + row[MISSING]))


def test_totals_of_jobs_are_added():
    one = {"usd": 1.5, "statuses": {"a": 1}, "teacher": "x", "alarms": ["p"]}
    other = {"usd": 2.0, "statuses": {"a": 2, "b": 0}, "teacher": "y", "alarms": [], "loop_tokens_saved": 3}
    assert summed([one]) is one
    assert summed([one, other]) == {
        "usd": 3.5, "statuses": {"a": 3}, "teacher": "x + y", "alarms": ["p"], "loop_tokens_saved": 3,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"others": [{"teacher": "a", "share": 0.6}, {"teacher": "b", "share": 0.4}]}, "must be below 1"),
        ({"others": [{"teacher": "a", "share": 0.5}], "accept": 3}, "leave others out"),
        ({"others": [{"teacher": "a", "share": 0.5}], "batch": True}, "leave others out"),
        ({"others": [{"teacher": "a"}]}, "share"),
    ],
)
def test_what_does_not_go_together_is_refused(changes, says):
    with pytest.raises(ValueError, match=says):
        GenerateSection(**changes)
