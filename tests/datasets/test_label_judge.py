"""Labels by a judge behind a real loopback endpoint; hostile or unreadable answers fall back to the rules."""

import pytest

from factory.config.datasets import DatasetsSection, LabelJudge
from factory.datasets.label_judge import read_labels
from factory.run.parts import read_parts
from factory.steps import label


@pytest.fixture
def endpoint(serve):
    """Starts a server that gives one answer to everything; returns its URL."""
    return lambda text: serve(text=text, style="none").url


def labelled(folder, tmp_path, url):
    judge = LabelJudge(preset="openai", model="judge-1", base_url=url)
    manifest = label.run(
        folder, tmp_path / "l", DatasetsSection(judge=judge), store=tmp_path / "store"
    ).manifest
    return manifest, read_parts(tmp_path / "l")


def test_the_judge_labels_what_the_source_does_not(endpoint, verdict_rows, tmp_path):
    rows = [
        {
            "response_id": "r1",
            "problem_id": "a",
            "problem": "Tom has 2 apples and eats 1. How many are left?",
        },
        {"response_id": "r2", "problem_id": "b", "problem": "x", "domain": "algebra", "level": "middle"},
        {"response_id": "r3", "problem_id": "c", "problem": "y", "domain": "algebra"},
    ]
    url = endpoint('Sure: {"domain": "Number Theory", "level": "graduate"}')
    _, table = labelled(verdict_rows(rows), tmp_path, url)
    assert table["domain"].to_list() == ["number_theory", "algebra", "algebra"]
    assert table["level"].to_list() == ["graduate", "middle", "graduate"]
    assert table["label_source"].to_list() == ["openai", "source", "openai"]


def test_an_unreadable_judge_falls_back_to_the_rules(endpoint, verdict_rows, tmp_path):
    rows = [
        {"response_id": "r", "problem_id": "a", "problem": "Tom has 2 apples and eats 1. How many are left?"}
    ]
    _, table = labelled(verdict_rows(rows), tmp_path, endpoint("I would rather solve it."))
    assert table.select("domain", "level", "label_source").row(0) == ("arithmetic", "elementary", "rules")


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ('{"domain": "geometry", "level": "college"}', ("geometry", "college")),
        (
            'first {"domain": "x"} then {"domain": "geometry", "level": "High School"}',
            ("geometry", "high_school"),
        ),
        ('{"domain": "witchcraft", "level": "college"}', (None, "college")),
        ('{"domain": ["geometry"], "level": null}', (None, None)),
        ("{" * 5_000, (None, None)),
        ("", (None, None)),
        ('{"domain": "geometry"', (None, None)),
        ("[1, 2]", (None, None)),
    ],
)
def test_only_known_labels_are_taken(text, labels):
    assert read_labels(text) == labels
