"""While a job goes on, its responses are shown from the store under their problems; the store is not touched."""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import wait

import polars as pl
import pytest
from starlette.testclient import TestClient

from factory.report.step_folders import open_run
from factory.report.viewer.answered import Answered, running_job
from factory.report.viewer.app import build_app
from factory.run.layout import RunLayout
from factory.run.parts import read_parts
from factory.run.step_writer import StepWriter
from factory.sampling.store.journal import ResponseStore, Stored, request_key, response_id, response_key
from factory.steps.generate import job_name


def put(store, job, problem, text, *, sample=0, status="complete", asked="What is it?"):
    """Store a response as `generate` does; returns its id."""
    wire = {"sampler": "r1", "body": {"messages": [{"role": "user", "content": f"{asked} {problem}"}]}}
    key = request_key(wire)
    said = {"problem_id": problem, "reasoning": f"thought {text}", "content": text, "parsed": False}
    made = Stored(response_key(key, sample), key, sample, "r1", "m", status, 5, 7, 0.5, said)
    wait([store.submit(made, wire, job=job)])
    return response_id(made.key)


@pytest.fixture
def begun(make_run, tmp_path):
    """A run whose problems are there and whose `generate` has just begun: run, job, first problem."""
    run = make_run(tmp_path / "run", until="problems", count=12)
    at = RunLayout(run)
    problems = next(p for p in (at.clean_problems, at.unique_problems, at.problems) if p.is_dir())
    return run, job_name(at.responses), read_parts(problems)["id"][0]


def client(run):
    return TestClient(build_app(open_run(run)), base_url="http://127.0.0.1")


def test_stored_responses_stand_under_their_problem_and_are_called_not_verified(begun, hostile):
    run, job, problem = begun
    with client(run) as viewer, ResponseStore(RunLayout(run).store) as store:
        viewer.app.state.live._clock = iter(range(10**9, 2 * 10**9, 10)).__next__
        assert viewer.get("/state").json()["answered"] == 0
        ids = [put(store, job, problem, f"{hostile} {n}", sample=n) for n in (1, 0)]
        put(store, job, problem, "server error", sample=2, status="failed")
        put(store, "another job", problem, "not ours", sample=3)
        assert viewer.get("/state").json()["answered"] == 3
        page = viewer.get("/row", params={"id": problem}).text
        assert page.count('class="response target') == 2
        assert page.index(ids[1]) < page.index(ids[0]), "in the order of their samples"
        assert page.count("from the store") == page.count("not verified") == 2
        assert "not ours" not in page and "server error" not in page
        assert viewer.get("/row", params={"id": ids[0]}).status_code == 200
        assert "2 responses" in viewer.get("/row", params={"id": ids[0]}).text
        newest = viewer.get("/answered").text
        assert newest.index(ids[1]) < newest.index(ids[0])
        assert 'href="/answered"' in viewer.get("/").text
        with StepWriter(RunLayout(run).responses, "generate") as writer:
            writer.keep(
                pl.DataFrame({"response_id": ids[:1], "problem_id": [problem], "content": ["in a table"]})
            )
            writer.finish(rows_in=1)
        page = viewer.get("/row", params={"id": problem}).text
        assert page.count('class="response target') == 1
        assert "from the store" not in page
        assert viewer.get("/state").json()["answered"] == 0


def test_a_verbs_folder_without_any_table_shows_what_was_asked_and_answered(tmp_path):
    job = job_name(tmp_path / "out")
    with ResponseStore(tmp_path / "out" / "__store") as store, client(tmp_path / "out") as viewer:
        row_id = put(store, job, "p-1", "It is 4.")
        assert "1 response so far" in viewer.get("/").text
        for asked in ("p-1", row_id):
            page = viewer.get("/row", params={"id": asked}).text
            assert "What is it? p-1" in page and "It is 4." in page


def test_a_look_takes_only_what_is_new_and_a_journal_that_cannot_be_read_is_left_for_later(
    begun, monkeypatch
):
    run, job, problem = begun
    folder = RunLayout(run).store
    with ResponseStore(folder) as store:
        put(store, job, problem, "one")
        answered = Answered(*running_job(open_run(run)))
        assert answered.look() == 1
        put(store, job, problem, "two", sample=1)
        monkeypatch.setattr("factory.report.viewer.answered.AT_ONCE", 1)
        assert answered.look() == 2
        torn = folder / "responses-00001.sqlite"
        torn.write_bytes((folder / "responses.sqlite").read_bytes()[:1000])
        (folder / "responses-00002.sqlite").write_bytes(b"")
        assert answered.look() == 2
        assert [row["content"] for row in answered.rows(problem)] == ["one", "two"]
        shutil.rmtree(folder)
        assert (answered.look(), answered.rows(problem)) == (2, [])


def test_a_changed_row_is_left_out_and_reading_leaves_no_file_behind(begun):
    run, job, problem = begun
    folder = RunLayout(run).store
    with ResponseStore(folder) as store:
        put(store, job, problem, "sound")
        put(store, job, problem, "changed", sample=1)
        store._read.execute("UPDATE response SET prompt_tokens = 6 WHERE sample_index = 1")
    before = {path.name: (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.iterdir()}
    os.chmod(folder, 0o555)
    try:
        answered = Answered((folder,), job)
        assert answered.look() == 1
        assert [row["content"] for row in answered.rows(problem)] == ["sound"]
        assert answered.prompt(answered.newest()[0]).startswith("What is it?")
    finally:
        os.chmod(folder, 0o755)
    assert {path.name: (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.iterdir()} == before


def test_a_page_that_is_open_gets_new_responses_without_a_reload(browser, serve, begun, hostile):
    run, job, problem = begun
    with ResponseStore(RunLayout(run).store) as store:
        browser.open(serve(run) + f"/row?id={problem}")
        browser.run("window.stays = 1")
        count = "document.querySelectorAll('#responses .response').length"
        put(store, job, problem, f"{hostile} $x$")
        put(store, job, problem, f"{hostile} $y$", sample=1)
        browser.wait(lambda: browser.run(count) == 2)
        assert browser.run("window.stays") == 1
        assert browser.run("document.querySelector('#responses h2').textContent") == "2 responses"
        browser.wait(lambda: browser.run("document.querySelectorAll('#responses .katex').length") >= 2)
        browser.press("j")
        browser.press("j")
        assert browser.run("document.querySelectorAll('.response')[1].classList.contains('at')")
        assert (browser.dialogs, browser.errors, browser.refused) == ([], [], [])
        browser.run("location.href = '/answered'")
        browser.wait(lambda: browser.run("document.querySelectorAll('tr[data-id]').length") == 2)
        put(store, job, problem, "the third", sample=3)
        browser.wait(lambda: browser.run("document.querySelectorAll('tr[data-id]').length") == 3)
        assert json.loads(browser.run("JSON.stringify(document.body.dataset)"))["answered"] == "3"
