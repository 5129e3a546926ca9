"""What a killed process left in the temporary folder is gone after the next start; what others use stays."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from factory.errors import FactoryError
from factory.leftovers import own_torchelastic, temporary
from factory.run.folder import locked
from factory.run.out_folder import OutFolder
from factory.sampling.serving import free_port, serving

ROOT = Path(__file__).parents[1]
SERVER = """
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""
KILLED = """
import os, sys, tempfile
from factory.leftovers import temporary, own_torchelastic
from factory.sampling.serving import serving
temporary("error", ".txt").write_text("what went wrong")
tempfile.mkdtemp(prefix=f"{temporary('view').name}-")
with serving([sys.executable, "-c", sys.argv[2], sys.argv[1]], int(sys.argv[1])):
    print(os.getpid(), flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A temporary folder of our own."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_a_killed_process_left_is_removed_by_the_next_start(folder):
    words = [sys.executable, "-c", KILLED, str(free_port()), SERVER]
    process = subprocess.Popen(words, cwd=ROOT, stdin=-1, stdout=-1, text=True, start_new_session=True)
    pid = int(process.stdout.readline())
    before = names(folder)
    assert [name.split("-")[1] for name in before] == ["error", "serve", "view"]
    temporary("view"), temporary("serve")
    assert names(folder) == before, "it is alive"
    server = [int(p.parent.name) for p in Path("/proc").glob("[0-9]*/stat") if _parent(p) == pid]
    process.kill()
    process.communicate()
    for each in server:
        os.kill(each, signal.SIGKILL)
    temporary("error", keep_seconds=86_400)
    assert names(folder) == before, "the user was told to read it"
    for kind in ("error", "serve", "view"):
        temporary(kind)
    assert names(folder) == []


def _parent(stat):
    try:
        return int(stat.read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


def test_a_servers_log_stays_only_when_there_is_something_to_read(folder):
    port = free_port()
    with serving([sys.executable, "-c", SERVER, str(port)], port):
        assert len(names(folder)) == 1
    assert names(folder) == []
    with pytest.raises(FactoryError), serving(["false"], free_port()):
        pass
    assert len(names(folder)) == 1


def test_log_folders_of_torchrun_go_with_its_launcher(folder, monkeypatch):
    gone = subprocess.Popen(["true"])
    gone.wait()
    for name, marks in {
        "torchelastic_a": [f"factory-{gone.pid}"],
        "torchelastic_b": [],
        "torchelastic_c": [],
    }.items():
        (folder / name / "none_x" / "attempt_0" / "0").mkdir(parents=True)
        for mark in marks:
            (folder / name / mark).touch()
    error = folder / "torchelastic_b" / "none_x" / "attempt_0" / "0" / "error.json"
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(error))
    own_torchelastic()
    assert names(folder) == ["torchelastic_b", "torchelastic_c"], "those of others are not ours to remove"
    assert (folder / "torchelastic_b" / f"factory-{os.getppid()}").exists()
    assert not list((folder / "torchelastic_c").glob("factory-*"))


def test_what_a_killed_step_or_run_left_is_removed(tmp_path):
    run, step = tmp_path / "run", tmp_path / "run" / "problems" / "read"
    (step / "__side").mkdir(parents=True)
    left = [
        run / ".recipe.yaml.1a.tmp",
        step / "._manifest.json.1b.tmp",
        step / "__side" / "._job.json.1c.tmp",
    ]
    for path in left:
        path.touch()
    for name in (".dedup-1", ".votes-2", ".scratch-3"):
        (step / name).mkdir()
    with locked(run):
        OutFolder(step, "problems", "k").clean()
    assert [path for path in run.rglob(".*") if path.name != ".lock"] == []
