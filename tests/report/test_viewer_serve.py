"""Who may ask the viewer, how one gets to it, and that it follows a run that goes on."""

from __future__ import annotations

import os

import polars as pl
import pytest
from starlette.testclient import TestClient

from factory.report.step_folders import open_run
from factory.report.viewer import live
from factory.report.viewer.app import build_app
from factory.report.viewer.guard import COOKIE
from factory.report.viewer.serve import address, can_open_browser, from_elsewhere, new_token
from factory.run.step_writer import StepWriter

TOKEN = "s3cret-token"


def write(folder, count=3):
    with StepWriter(folder, "made") as writer:
        writer.keep(pl.DataFrame({"id": [f"p-{i:08}" for i in range(count)], "problem": ["Which?"] * count}))
        writer.finish(rows_in=count)
    return folder


@pytest.fixture
def client(tmp_path):
    app = build_app(open_run(write(tmp_path / "out")), token=TOKEN)
    with TestClient(app, base_url="http://box.example:8321", raise_server_exceptions=False) as made:
        yield made


@pytest.mark.parametrize(
    "page",
    ["/", "/table?sheet=out", "/static/viewer.js", "/state", "/?token=", "/?token=wrong", "/?token=%00%ff"],
)
def test_without_the_token_nothing_is_read(client, page):
    answer = client.get(page, headers={"cookie": f"{COOKIE}=wrong"})
    assert answer.status_code == 403
    assert "Which" not in answer.text
    assert "set-cookie" not in answer.headers


def test_the_token_is_asked_once_and_leaves_the_address(client):
    answer = client.get(f"/table?sheet=out&token={TOKEN}", follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/table?sheet=out"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "Which?" in client.get(answer.headers["location"]).text


@pytest.mark.parametrize("path", ["//evil.example/", "/\\evil.example/", "///evil.example"])
def test_the_token_sends_nobody_elsewhere(client, path):
    answer = client.get(f"http://box.example:8321{path}?token={TOKEN}", follow_redirects=False)
    assert answer.headers.get("location", "/").lstrip("/").startswith(("evil.example", "%5C"))
    assert not answer.headers.get("location", "/").startswith(("//", "/\\"))


def test_a_mark_needs_the_token_and_the_own_page(client, tmp_path):
    mark = {"id": "p-00000000", "mark": "accept"}
    own = {"origin": "http://box.example:8321"}
    assert client.post("/mark", json=mark, headers=own).status_code == 403
    client.get(f"/?token={TOKEN}")
    assert client.post("/mark", json=mark, headers={"origin": "http://evil.example"}).status_code == 403
    assert client.post("/mark", json=mark).status_code == 403
    assert client.post("/mark", json=mark, headers=own).status_code == 200


def test_only_loopback_goes_without_a_token():
    assert new_token("127.0.0.1") is None
    assert new_token("localhost") is None
    assert len(new_token("0.0.0.0")) >= 32
    assert new_token("10.0.0.7") != new_token("10.0.0.7")
    assert address("127.0.0.1", 8321, None) == "http://127.0.0.1:8321/"
    assert address("10.0.0.7", 1, "t") == "http://10.0.0.7:1/?token=t"
    assert "0.0.0.0" not in address("0.0.0.0", 1, "t")


SCREEN = {"DISPLAY": ":0"}


@pytest.mark.parametrize(
    ("environment", "opens"),
    [
        (SCREEN, True),
        ({}, False),
        (SCREEN | {"CI": "true"}, False),
        (SCREEN | {"SSH_CONNECTION": "1.2.3.4 5 6.7.8.9 22"}, False),
        ({"WAYLAND_DISPLAY": "w"}, True),
    ],
)
def test_a_browser_opens_only_before_a_person(monkeypatch, environment, opens):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert can_open_browser(environment, "linux") == opens
    monkeypatch.setattr("sys.stdout.isatty", lambda: False, raising=False)
    assert not can_open_browser(environment, "linux")


def test_over_ssh_the_line_for_the_own_machine_is_said():
    line = from_elsewhere(8321, {"SSH_CONNECTION": "1.2.3.4 5 6.7.8.9 22"})
    assert line.startswith("ssh -L 8321:127.0.0.1:8321 ")
    assert line.endswith("@6.7.8.9")
    assert from_elsewhere(8321, {}) is None


def test_new_tables_appear_while_the_viewer_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(live, "LOOK", 0.0)
    run = tmp_path / "run"
    write(run / "problems" / "read", 3)
    app = build_app(open_run(run))
    with TestClient(app, base_url="http://127.0.0.1") as viewer:
        before = viewer.get("/state").json()["stamp"]
        assert "problems/unique" not in viewer.get("/").text
        assert viewer.get("/state").json()["stamp"] == before
        write(run / "problems" / "unique", 2)
        assert "problems/unique" in viewer.get("/").text
        after = viewer.get("/state").json()["stamp"]
        assert after != before
        assert f'data-stamp="{after}"' in viewer.get("/").text
        write(run / "problems" / "clean", 1)
        assert "<span>1 row</span>" in viewer.get("/table?sheet=problems/clean").text


def test_finished_parts_of_a_running_step_are_shown(tmp_path):
    run = tmp_path / "run"
    write(run / "problems" / "read", 3)
    out = run / "responses" / "teacher" / ".scratch-abc" / "out"
    out.mkdir(parents=True)
    pl.DataFrame({"response_id": ["r-00000001"], "content": ["It is two."]}).write_parquet(
        out / "part-00000.parquet"
    )
    with TestClient(build_app(open_run(run)), base_url="http://127.0.0.1") as viewer:
        assert "responses/teacher/so-far" in viewer.get("/").text
        page = viewer.get("/table?sheet=responses/teacher/so-far").text
        assert "It is two." in page
        assert "not finished" in page


def test_a_file_that_goes_away_is_one_line(tmp_path):
    out = write(tmp_path / "out")
    app = build_app(open_run(out))
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as viewer:
        os.replace(out / "part-00000.parquet", tmp_path / "away")
        for page in (
            "/table?sheet=out&q=which",
            "/table?sheet=out&sort=id",
            "/columns?sheet=out",
            "/row?id=p-00000000",
        ):
            answer = viewer.get(page)
            assert 400 <= answer.status_code < 500, page
            assert "Traceback" not in answer.text
