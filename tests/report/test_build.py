"""The report is built from whatever a run has, names what it lacks, and cannot be scripted."""

from __future__ import annotations

import shutil
from html.parser import HTMLParser

import polars as pl
import pyarrow.parquet as pq
import pytest

from factory.atomic import read_json, write_json
from factory.errors import UsageError
from factory.report import build_report
from factory.run.layout import RunLayout
from factory.run.parts import read_parts
from factory.run.step_writer import StepWriter


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def page(full_run):
    return Page(build_report(full_run).read_text("utf-8"))


def test_the_report_holds_no_script_no_handler_and_no_request(page):
    assert "script" not in page.tags
    assert "img" not in page.tags
    assert not [a for a in page.attributes if a[1].startswith("on")]
    targets = [value for _, name, value in page.attributes if name in ("href", "src", "xlink:href", "action")]
    assert targets
    assert all(target.startswith(("#", "http://127.0.0.1:8321/row?id=")) for target in targets)
    assert ("meta", "http-equiv", "Content-Security-Policy") in page.attributes


def test_hostile_text_is_shown_as_text(page):
    assert "</script><script>alert(1)</script>" in page.text
    assert "{{7*7}}" in page.text


def test_every_section_of_a_full_run_is_there(page):
    keys = {value for tag, name, value in page.attributes if tag == "section" and name == "id"}
    assert keys == {
        "sets-rows", "funnel", "yield", "difficulty", "lengths", "diversity", "sets", "training", "gates", "samples", "steps",
    }  # fmt: skip
    assert page.tags.count("svg") >= 15


def test_ids_in_the_page_are_unique(page):
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))


def test_the_same_run_gives_the_same_report(full_run, tmp_path):
    first = build_report(full_run, out=tmp_path / "a.html").read_bytes()
    assert first == build_report(full_run, out=tmp_path / "b.html").read_bytes()


def test_a_run_half_done_says_what_is_not_there_yet(make_run, tmp_path):
    html = build_report(make_run(tmp_path / "run", until="verdicts")).read_text("utf-8")
    assert "Not there yet: verdicts/unique, verdicts/clean, verdicts/labelled, datasets/midtrain" in html
    assert 'id="training"' not in html
    assert "verified correct" in html


def test_a_corrupt_part_is_named_and_left_out(make_run, tmp_path):
    run = make_run(tmp_path / "run")
    part = RunLayout(run).labelled / "part-00000.parquet"
    body = bytearray(part.read_bytes())
    body[len(body) // 2] ^= 0xFF
    part.write_bytes(body)
    html = build_report(run).read_text("utf-8")
    assert "verdicts/labelled/part-00000.parquet: corrupt (checksum differs from the manifest)" in html


def test_an_unfinished_step_is_named_and_never_shown_as_if_whole(make_run, tmp_path):
    run = make_run(tmp_path / "run", until="verdicts")
    (RunLayout(run).verdicts / "_manifest.json").unlink()
    html = build_report(run).read_text("utf-8")
    assert "verdicts/teacher: the step did not finish (1 parts, no manifest)" in html
    assert "verified correct" not in html


def test_a_torn_manifest_is_named(make_run, tmp_path):
    run = make_run(tmp_path / "run", until="verdicts")
    (RunLayout(run).verdicts / "_manifest.json").write_text('{"step": "ver', "utf-8")
    assert "verdicts/teacher: manifest unreadable" in build_report(run).read_text("utf-8")


def test_books_that_do_not_balance_are_shouted(make_run, tmp_path):
    run = make_run(tmp_path / "run", until="problems")
    path = RunLayout(run).unique_problems / "_manifest.json"
    assert read_json(path)["rows_in"] == 40
    write_json(path, {**read_json(path), "rows_in": 41}, seal=True)
    html = build_report(run).read_text("utf-8")
    assert "Row counts do not add up in problems/unique" in html


def test_a_run_that_an_earlier_version_finished_has_no_fault(make_run, tmp_path):
    run = make_run(tmp_path / "run", until="problems")
    write_json(run / "_done.json", {"factory": "0.1.0"})
    assert "Incomplete" not in build_report(run).read_text("utf-8")


def test_a_folder_without_tables_is_a_users_mistake(tmp_path):
    with pytest.raises(UsageError, match="holds no tables"):
        build_report(tmp_path)
    with pytest.raises(UsageError, match="is not a folder"):
        build_report(tmp_path / "absent")


@pytest.mark.parametrize("folder", ["responses", "verdicts", "labelled", "clean_problems"])
def test_the_output_of_a_verb_has_a_report(full_run, tmp_path, folder):
    source = getattr(RunLayout(full_run), folder)
    out = shutil.copytree(source, tmp_path / "out")
    html = build_report(out).read_text("utf-8")
    assert pq.read_table(out).num_rows == len(read_parts(out)), (
        "readers that open every file of a folder still read it"
    )
    expected = {
        "responses": "teacher responses",
        "verdicts": "are verified correct",
        "labelled": "By level",
        "clean_problems": "clean problems",
    }
    assert expected[folder] in html and 'id="funnel"' in html
    assert "Incomplete" not in html and "cannot be made" not in html


def test_a_verb_runs_again_after_its_report(tmp_path):
    def write(settings):
        with StepWriter(tmp_path / "out", "made", settings=settings) as writer:
            writer.keep(pl.DataFrame({"id": ["a"]}))
            writer.finish(rows_in=1)

    write({})
    first = build_report(tmp_path / "out")
    (tmp_path / "out" / "report.html").write_text("of a former version")
    write({"another": 1})
    assert first.exists() and build_report(tmp_path / "out") == first
