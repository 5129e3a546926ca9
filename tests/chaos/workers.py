"""A generation job for the tests of kills: start it, find its workers, look into its store and at the server."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

from factory.sampling.sampler import sample_seed
from factory.sampling.store.journal import ResponseStore
from tests.support.cli import COMMAND

ROOT = Path(__file__).parents[2]


def write_problems(path, count):
    lines = [
        json.dumps({"id": f"q{i}", "problem": f"What is {i} + {i}?", "answer": str(2 * i)})
        for i in range(count)
    ]
    path.write_text("\n".join(lines))
    return path


def start(server, problems, out, *, samples, store, workers=None, more=()):
    """`factory generate`, with `--workers N` if it is given, in a process group of its own."""
    command = [*COMMAND, "generate", str(problems), "--out", str(out)]
    command += [
        "--teacher",
        "vllm",
        "--model",
        "fake-r1",
        "--base-url",
        server.url,
        "--prompt",
        "{problem}",
    ]
    command += ["--samples", str(samples), "--store", str(store), *map(str, more)]
    command += [] if workers is None else ["--workers", str(workers)]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "FACTORY_PROGRESS": "off"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def end(process, *, timeout=120):
    """Wait for a job; its exit code and what it said."""
    try:
        _, errors = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        _, errors = process.communicate()
        raise AssertionError(f"still running: {errors.decode()}") from None
    return process.returncode, errors.decode()


def children(pid):
    """Worker processes of a job: spawned children, without the standard library's resource tracker."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = path.read_text().rpartition(")")[2].split()
            line = (path.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if int(words[1]) == pid and words[0] != "Z" and b"spawn_main" in line:
            found.append(int(path.parent.name))
    return sorted(found)


def wait_for(condition, seconds=240):
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)
    return found


def contents(store, limit=32768):
    """Server's identity -> what the store holds under it."""
    with ResponseStore(store) as opened:
        return {identity(s, limit): s for s in opened.get_many(list(opened.keys()))}


def identity(stored, limit):
    number = stored.body["problem_id"][1:]
    seed = sample_seed(0, stored.body["problem_id"], stored.sample_index)
    return f"What is {number} + {number}?|{seed}|{limit}"


def leave(figures):
    """Print what a slow test counted, and leave it in the file that `CHAOS_FIGURES` names (`benchmarks.chaos`)."""
    print(json.dumps(figures))
    if target := os.environ.get("CHAOS_FIGURES"):
        Path(target).write_text(json.dumps(figures))
