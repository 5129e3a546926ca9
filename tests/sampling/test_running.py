"""A running job as other processes see it, and what is said of it when it is stopped by Ctrl-C."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from factory.progress import live, note, watch
from factory.progress.line import note_line
from factory.sampling.session import Session
from factory.steps.metrics import HELP, prometheus
from factory.steps.status import read_status
from tests.servers.running import servers
from tests.support.cli import run_factory

SAMPLE = re.compile(
    r'([a-z_:][a-z0-9_:]*)\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*)\} (-?[0-9.]+(?:e[-+]?\d+)?)'
)


def parsed(text):
    """Prometheus text, strictly: HELP and TYPE before the samples of each metric, no metric and no sample twice."""
    assert text.endswith("\n")
    kinds, found = {}, {}
    for line in text.splitlines():
        if line.startswith("# HELP "):
            helped = line.split(" ", 3)[2]
            assert helped not in kinds, "a metric stands in one piece"
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == helped and (kind == "counter") == name.endswith("_total")
            kinds[name] = kind
        else:
            name, labels, value = SAMPLE.fullmatch(line).groups()
            assert name == helped and (name, labels) not in found
            found[name, labels] = float(value)
    return found


def begin(folder, url, *more):
    words = (
        "generate",
        "procedural:countdown?count=300",
        "--samples",
        "1",
        "--teacher",
        "vllm",
        "--model",
        "m",
        "--base-url",
        url,
    )
    caps = (
        "--price",
        "10,1000",
        "--max-usd",
        "20",
        "--max-tokens",
        "64",
        "--concurrency",
        "4",
        "--out",
        "out",
        "--store",
        "store",
    )
    command = [sys.executable, "-m", "factory.cli.main", *words, *caps, *more]
    env = {**os.environ, "FACTORY_PROGRESS": "log"}
    return subprocess.Popen(
        command, cwd=folder, env=env, stdout=-1, stderr=-1, text=True, start_new_session=True
    )


def seen(folder, process):
    """The note of the job, once something was answered."""
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        if folder.exists() and (notes := live.read_notes(folder)) and notes[0]["done"] > 3:
            return notes[0]
        time.sleep(0.05)
    raise AssertionError(process.communicate())


@pytest.mark.parametrize("workers", [1, 2])
def test_a_running_job_is_seen_stopped_and_resumed(workers, tmp_path):
    with servers() as serve:
        url = serve(model="m", latency=0.4).url
        process = begin(tmp_path, url, "--workers", str(workers))
        assert re.match(
            r"generate \d+/300 responses  .*/s  \d+:\d\d left  \$[\d.]+ of \$20",
            note_line(seen(tmp_path, process)),
        )
        if workers == 1:
            shown = run_factory("status", "out", cwd=tmp_path)
            assert "running: generate " in shown.stdout, shown.stderr
        found = parsed(prometheus(read_status(tmp_path / "out", check=None)))
        assert found["factory_progress_expected_units", 'step="generate",folder=".",unit="responses"'] == 300
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 3
        assert said.strip().splitlines()[-1].startswith("factory: stopped")
        answered = int(re.search(r"this session: (\d+) answered, 0 reused; \d+ attempts", said)[1])
        assert answered and "cost: $" in said and "Traceback" not in said
        assert live.read_notes(tmp_path) == []
        process = begin(tmp_path, serve(model="m").url, "--workers", str(workers))
        out, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
        new, reused = map(int, re.search(r"this session: (\d+) answered, (\d+) reused", out).groups())
        assert new + reused == 300
        assert 0 <= reused - answered <= 4, "what arrived in the last instant is stored, but was not counted"
    status = read_status(tmp_path / "out")
    found = parsed(prometheus(status))
    labels = 'step="generate",folder="."'
    assert found["factory_step_rows_out", labels] == 300
    assert found["factory_session_responses_total", f'{labels},outcome="reused"'] == reused
    assert found["factory_session_cost_dollars_total", labels] == pytest.approx(
        status["steps"][0]["session"]["usd"]
    )
    assert {name for name, _ in found} >= {
        name for name in HELP if "session" in name and "failed_attempts" not in name
    }
    stored = parsed(prometheus(read_status(tmp_path / "store")))
    if workers == 1:
        assert parsed(run_factory("status", "out", "--metrics", cwd=tmp_path).stdout) == found
    assert sum(n for (name, _), n in stored.items() if name == "factory_store_responses") == 300


def test_labels_of_any_text_are_escaped():
    row = {
        "step": 'a"b\\c\nd',
        "folder": "x",
        "rows_in": 1,
        "rows_out": 2**53,
        "dropped": {'r"': 3},
        "seconds": None,
        "session": None,
    }
    found = parsed(prometheus({"steps": [row], "running": [], "stores": []}))
    assert found["factory_step_rows_in", 'step="a\\"b\\\\c\\nd",folder="x"'] == 1
    assert not [name for name, _ in found if name == "factory_step_duration_seconds"]


def test_a_note_is_whole_or_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("FACTORY_PROGRESS", "log")
    scratch = tmp_path / "step" / ".scratch-1"
    scratch.mkdir(parents=True)
    with live.noted_in(scratch), watch("verify", 10, "rows") as task:
        (note,) = live.read_notes(tmp_path)
        assert (note["task"], note["done"], note["folder"]) == ("verify", 0, "step")
        task.advance(4)
        for broken in ("", "{", "[]", '{"task": 3}', '{"task": "x", "done": null}', '"x"'):
            (scratch / live.NAME).write_text(broken)
            assert live.read_notes(tmp_path) == []
        scratch.chmod(0o500)
        task.advance(1)
        scratch.chmod(0o700)
    assert live.read_notes(tmp_path) == []
    with watch("outside", 1, "rows"):
        assert live.read_notes(tmp_path) == []


def test_events_are_json_lines_all_of_them(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("FACTORY_PROGRESS", "json")
    session = Session(answered=6)
    with watch("generate", 6, "responses") as task:
        task.measured(session.facts)
        task.advance(6, accepted=5)
    note("generate: made again")
    event, said = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (event["task"], event["done"], event["accepted"], event["session"]["answered"]) == (
        "generate",
        6,
        5,
        6,
    )
    assert {"at", "total", "unit", "rate", "seconds_left"} <= set(event)
    assert said == {"note": "generate: made again"}
