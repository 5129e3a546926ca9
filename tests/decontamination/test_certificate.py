"""The certificate beside the output, and the temporal control."""

import json

import polars as pl
import pytest

from factory.config.decontamination import DecontaminationSection
from factory.decontamination import decontaminate
from factory.decontamination.certificate import held, markdown
from factory.decontamination.index import BenchmarkIndex
from factory.decontamination.load import load_index
from factory.run.parts import side_path
from factory.steps.decontaminate import key_parts
from tests.support.cli import run_factory

GEESE = (
    "A farmer has seventeen geese and sells 5 of them on each of 3 market days. How many geese does he keep?"
)


@pytest.fixture
def newer(tmp_path):
    """An index called aime26, of a problem that is in no source."""
    path = tmp_path / "aime26.jsonl"
    path.write_text(json.dumps({"id": "b0", "problem": GEESE}) + "\n")
    return load_index([path])


def control(index: BenchmarkIndex, until):
    rows = pl.DataFrame({"problem": [GEESE, "What is 1 + 1?"]})
    section = DecontaminationSection(sources_until=until)
    return decontaminate(rows, index, section, fields=["problem"]).certificate["temporal_control"]


def test_hits_of_a_newer_benchmark_are_counted_as_false_alarms(newer):
    facts = {"sources_until": "2025-11", "newer": ["aime26"], "rows": 2, "rows_dropped": 1}
    assert control(newer, "2025-11") == facts
    assert control(newer, "2026-02") == facts | {"sources_until": "2026-02", "newer": [], "rows_dropped": 0}
    assert control(newer, None) is None


@pytest.mark.parametrize(
    ("name", "month"),
    [
        ("aime24", "2024-02"), ("aime26", "2026-02"), ("hmmt_feb_2025", "2025-02"), ("gaokao2024", "2024-06"),
        ("gaokao2023en", ""), ("aimo_validation_aime", ""), ("math500", ""), ("my_aime24", ""),
    ],
)  # fmt: skip
def test_only_a_contest_named_after_its_year_has_a_month(name, month):
    assert held(name) == month


def test_a_month_is_a_month_and_only_a_stated_one_is_part_of_the_key():
    with pytest.raises(ValueError, match="sources_until"):
        DecontaminationSection(sources_until="2025-13")
    plain, stated = (
        key_parts(DecontaminationSection(sources_until=until), ["problem"]) for until in (None, "2025-01")
    )
    assert "sources_until" not in plain["section"]
    assert stated["section"]["sources_until"] == "2025-01"


def test_the_verb_writes_and_prints_the_certificate(tmp_path, newer):
    rows, out = tmp_path / "rows.jsonl", tmp_path / "out"
    rows.write_text(
        json.dumps({"id": "x", "problem": GEESE}) + "\n" + json.dumps({"id": "y", "problem": "hi"})
    )
    against = ("--against", tmp_path / "aime26.jsonl", "--sources-until", "2025-06")
    done = run_factory("decontaminate", rows, "--out", out, *against)
    assert done.returncode == 0, done.stderr
    shown = " ".join(done.stdout.split())
    assert "newer than the sources (2025-06): aime26; 1 rows dropped for them" in shown
    certificate = json.loads((out / "_manifest.json").read_text())["totals"]["certificate"]
    beside = json.loads(side_path(out, "certificate.json").read_text())
    assert {name: beside[name] for name in certificate} == certificate
    page = side_path(out, "CERTIFICATE.md").read_text()
    assert page == markdown(certificate)
    for said in (
        certificate["digest"],
        "2 rows were checked, 1 dropped",
        "exact 1",
        "Rows dropped for them: 1 of 2",
        "MGSM",
    ):
        assert said in page
