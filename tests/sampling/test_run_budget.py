"""One budget for a whole run: teacher and judges together, over restarts."""

import shutil

import pytest
import yaml

from factory.atomic import read_json
from factory.run.layout import RunLayout
from factory.run.parts import MANIFEST
from factory.sampling.store.journal import ResponseStore
from factory.steps.generate import job_name
from tests.support.cli import run_factory

PRICE = [1.0, 20.0]
MAX_TOKENS = 64


def recipe(folder, server, max_usd):
    access = {"model": "m", "base_url": server.url, "price": PRICE}
    data = {
        "name": "capped",
        "problems": {"sources": ["procedural:linear_equation?count=30&seed=3&style=terse"]},
        "budget": {"max_usd": max_usd},
        "generate": {"teacher": "vllm", "samples": 2, "max_tokens": MAX_TOKENS, **access},
        "verify": {"workers": 1, "judge": {"preset": "openai", "max_tokens": MAX_TOKENS, **access}},
        "datasets": {"need_reasoning": False},
        "train": None,
    }
    (folder / "capped.yaml").write_text(yaml.safe_dump(data))
    return folder / "capped.yaml"


def run(path, folder, until="verify"):
    return run_factory("run", path, "--out", folder, "--until", until)


def paid(server):
    stats = server.get("stats")
    return (stats["prompt_tokens"] * PRICE[0] + stats["completion_tokens"] * PRICE[1]) / 1e6


def booked(folder):
    at = RunLayout(folder)
    with ResponseStore(at.store) as store:
        return store.spent(job_name(at.responses))[0]


@pytest.fixture
def server(serve):
    """Wrong answers of few tokens, by the teacher and the judge alike."""
    return serve(text="\\boxed{-123456}", style="none", tokens=3)


def test_teacher_and_judge_spend_one_budget(tmp_path, server):
    done = run(recipe(tmp_path, server, 1.0), tmp_path / "run", until="generate")
    assert done.returncode == 0, done.stderr
    teacher = booked(tmp_path / "run")
    assert 0 < teacher <= paid(server) + 1e-9
    # What the teacher left is enough for a few questions to the judge.
    cap = teacher + 0.003
    for _restart in range(3):
        done = run(recipe(tmp_path, server, cap), tmp_path / "run")
        assert done.returncode == 3, done.stderr
        assert "budget spent" in done.stderr
        assert teacher < booked(tmp_path / "run") <= cap
        assert paid(server) <= cap
    done = run(recipe(tmp_path, server, 1.0), tmp_path / "run")
    assert done.returncode == 0, done.stderr
    at = RunLayout(tmp_path / "run")
    assert booked(tmp_path / "run") == pytest.approx(paid(server))
    assert read_json(at.verdicts / MANIFEST)["totals"]["usd"] > 0
    assert not list(at.verdicts.parent.glob("*-judge")), "the judge's replies are in the run's store"


def test_what_a_former_version_kept_in_a_store_of_the_judge_counts(tmp_path, server):
    """Its replies are not asked for again, and what they cost is part of the run's budget."""
    path, at = recipe(tmp_path, server, 1.0), RunLayout(tmp_path / "run")
    assert run(path, at.run).returncode == 0
    all_of_it, asked = booked(at.run), server.get("stats")["asked"]
    # As the former version left it: one store for the judge, one for the rest.
    former = at.verdicts.with_name(f"{at.verdicts.name}-judge")
    shutil.move(at.store, former)
    shutil.rmtree(at.verdicts)
    for _again in range(2):
        assert run(path, at.run).returncode == 0
        assert (booked(at.run), server.get("stats")["asked"]) == (all_of_it, asked)
    done = run(recipe(tmp_path, server, all_of_it / 2), at.run, until="verify")
    assert done.returncode == 0, "a lower budget changes nothing that is done"


def test_a_cap_without_a_price_is_refused_before_anything_is_asked(tmp_path, server):
    path = recipe(tmp_path, server, 1.0)
    data = yaml.safe_load(path.read_text())
    del data["verify"]["judge"]["price"]
    path.write_text(yaml.safe_dump(data))
    done = run(path, tmp_path / "run")
    assert done.returncode == 2
    assert "verify.judge: max_usd needs prices" in done.stderr
    assert server.get("stats")["asked"] == 0
