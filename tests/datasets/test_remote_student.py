"""A student behind a real loopback endpoint: its model comes from the recipe, and nothing is asked twice."""

import pytest

from factory.config.difficulty import DifficultySection
from factory.config.problems import ProblemsSection
from factory.config.verify import VerifySection
from factory.run.parts import read_parts
from factory.steps import difficulty, problems


@pytest.fixture
def server(serve):
    """Answers everything with a wrong number; says what it completed."""
    return serve(text=r"It is \boxed{123456789}.", faults={"429": 0.2})


def test_rollouts_over_an_endpoint_are_bought_once(server, tmp_path):
    problems.run(
        ProblemsSection(sources=["procedural:all?count=6&seed=3"]), tmp_path / "p", tmp_path / "h", seed=0
    )
    section = DifficultySection(student="openai", model="weak-1", base_url=server.url, max_samples=6)

    def roll(out):
        return difficulty.run(
            tmp_path / "p",
            tmp_path / out / "d",
            tmp_path / out / "r",
            section,
            VerifySection(workers=1),
            model="/some/checkpoint/of/the/run",
            store=tmp_path / "store",
            seed=0,
            prompt="{problem}",
        ).manifest

    manifest = roll("a")
    table = read_parts(tmp_path / "a" / "d")
    assert set(table["student"]) == {"openai:weak-1"}
    assert set(table["band"]) == {"too_hard"}
    asked = server.get("log")
    again = roll("b")
    assert again["output_digest"] == manifest["output_digest"]
    assert server.get("log") == asked, "the second run lives on the store alone"
    assert manifest["totals"]["rollouts"] == read_parts(tmp_path / "a" / "r").height
