"""What clusters do to a step by part: workers, nodes and drivers killed, a full object store, a straggler.

In each case nothing is lost, every part is counted once, and the bytes are those of an undisturbed run in one process.
"""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from workers import leave

from factory.engines.engine import open_engine
from factory.run.parts import read_parts

HERE = str(Path(__file__).parents[1] / "engines")
sys.path.insert(0, HERE)

import parts  # noqa: E402

PARTS = 16
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join(filter(None, [HERE, os.environ.get("PYTHONPATH")])),
    "FACTORY_PROGRESS": "off",
    # What the engine sets for a cluster of its own: reports nothing home, listens on loopback only.
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return parts.write_parts(tmp_path_factory.mktemp("in"), PARTS)


def undisturbed(folder, out):
    """What a run in one process makes."""
    with open_engine("local", workers=1) as engine:
        parts.run(folder, out, partial(parts.sieve, 3), engine=engine)
    return parts.contents(out)


@pytest.fixture(scope="module")
def whole(folder, tmp_path_factory):
    return undisturbed(folder, tmp_path_factory.mktemp("whole") / "out")


@pytest.fixture
def marks(tmp_path):
    path = tmp_path / "marks"
    path.mkdir()
    return path


def workers_at(marks, after=0):
    """Process ids of those who began a part since a moment (nanoseconds)."""
    notes = [path.name.split(".") for path in marks.iterdir()]
    return {int(pid) for _, pid, began in notes if int(began) >= after}


def begun(marks):
    return len(list(marks.iterdir()))


def wait_until(condition, what, seconds=90):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"never came: {what}"
        time.sleep(0.02)


@pytest.fixture(autouse=True, scope="module")
def importable():
    """Ray's workers find `parts` by the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", ENVIRONMENT["PYTHONPATH"])
        yield


@pytest.fixture(scope="module")
def cluster(importable):
    """One cluster for the faults that it outlives; closed before a test that wants its own."""
    with open_engine("ray", workers=2) as engine:
        yield engine


def kill_some(marks, kills, draw, pause, over):
    """Kill -9 a worker that is at work, so many times or until all is done; says how many it met alive.

    A killed worker's successor takes its time on a busy machine, so what counts is whom we meet, not how often we look.
    """
    killed = set()
    since = time.time_ns()
    while len(killed) < kills and not over.is_set():
        time.sleep(draw.uniform(*pause))
        seen = sorted(workers_at(marks, since) - killed)
        alive = [pid for pid in seen if Path(f"/proc/{pid}").exists()]
        if alive:
            os.kill(victim := draw.choice(alive), signal.SIGKILL)
            killed.add(victim)
    return len(killed)


def killed_workers(folder, whole, marks, out, engine, *, kills, seconds, pause=(0.1, 0.3)):
    draw, met, over = random.Random(1), [], threading.Event()

    def strike():
        wait_until(lambda: begun(marks) >= 2, "work")
        met.append(kill_some(marks, kills, draw, pause, over))

    striker = threading.Thread(target=strike)
    striker.start()
    try:
        manifest = parts.run(folder, out, partial(parts.slow_sieve, marks, seconds, 3), engine=engine)
    finally:
        over.set()
    striker.join()
    assert parts.contents(out) == whole
    count = manifest["totals"]["parts"]
    assert begun(marks) > count, "no part was begun again, so nothing was killed in the midst of it"
    return {"kills": met[0], "parts": count, "begun": begun(marks)}


def test_workers_killed(folder, whole, marks, tmp_path, cluster):
    figures = killed_workers(folder, whole, marks, tmp_path / "out", cluster, kills=3, seconds=0.2)
    assert figures["kills"] >= 2


@pytest.mark.long
def test_a_straggler(folder, whole, marks, tmp_path, cluster):
    """One part takes long: the others are all done meanwhile, and the bytes are the same."""
    parts.run(folder, tmp_path / "out", partial(parts.one_slow, marks, PARTS - 1), engine=cluster)
    assert parts.contents(tmp_path / "out") == whole
    ended = {path.name.split(".")[0]: int(path.name.split(".")[2]) for path in marks.iterdir()}
    assert len(ended) == PARTS and max(ended, key=ended.get) == "part-00000"


DRIVER = """
import sys
from functools import partial
from pathlib import Path
import parts
from factory.engines.engine import open_engine
with open_engine("ray", workers=2) as engine:
    work = partial(parts.slow_sieve, sys.argv[3], float(sys.argv[4]), 3)
    parts.run(Path(sys.argv[1]), Path(sys.argv[2]), work, engine=engine)
"""


NODES = """
import sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
node = cluster.add_node(num_cpus=2)
print(cluster.address, flush=True)
for line in sys.stdin:
    cluster.remove_node(node, allow_graceful=False)
    if line == "replace\\n":
        node = cluster.add_node(num_cpus=2)
    print("done", flush=True)
cluster.shutdown()
"""


@contextmanager
def nodes():
    """A head with one core and a node with two; gives the address, and what kills the node (and adds another)."""
    quick = {"period_ms": "500", "failure_threshold": "3", "initial_delay_ms": "500"}
    environment = {
        **ENVIRONMENT,
        **{f"RAY_health_check_{name}": value for name, value in quick.items()},
    }
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [sys.executable, "-c", NODES], env=environment, stdin=pipe, stdout=pipe, text=True
    )
    address = next(line.strip() for line in process.stdout if line.count(":") == 1 and line[0].isdigit())

    def kill(replace):
        process.stdin.write("replace\n" if replace else "remove\n")
        process.stdin.flush()
        assert any(line == "done\n" for line in process.stdout)

    try:
        yield {**environment, "RAY_ADDRESS": address}, kill
    finally:
        process.stdin.close()
        process.wait(timeout=60)
        process.stdout.close()


def killed_nodes(folder, whole, marks, out, *, kills, seconds):
    """Nodes go with all their workers while they work; a fresh one comes for each but the last."""
    with nodes() as (environment, kill):
        command = [sys.executable, "-c", DRIVER, str(folder), str(out), str(marks), str(seconds)]
        driver = subprocess.Popen(command, env=environment)
        for number in range(kills):
            wanted = begun(marks) + 5
            wait_until(lambda: begun(marks) >= wanted or driver.poll() is not None, "work")
            assert driver.poll() is None, "all was done before the last node was killed"
            kill(replace=number + 1 < kills)
        assert driver.wait(timeout=240) == 0
    assert parts.contents(out) == whole
    count = len(list(folder.iterdir()))
    assert begun(marks) > count, "the nodes died idle"
    return {"kills": kills, "parts": count, "begun": begun(marks)}


@pytest.mark.long
def test_a_node_killed(folder, whole, marks, tmp_path):
    killed_nodes(folder, whole, marks, tmp_path / "out", kills=1, seconds=0.4)


def killed_drivers(folder, whole, marks, out, *, kills, seconds):
    command = [sys.executable, "-c", DRIVER, str(folder), str(out), str(marks), str(seconds)]
    draw = random.Random(2)
    done = 0
    for _ in range(kills):
        before = begun(marks)
        driver = subprocess.Popen(command, env=ENVIRONMENT, start_new_session=True)
        wanted = before + draw.randint(2, 5)
        wait_until(lambda: begun(marks) >= wanted or driver.poll() is not None, "work")
        killed = driver.poll() is None
        if killed:
            driver.kill()
            done += 1
        driver.wait()
        if not killed:
            assert driver.returncode == 0
            break
    assert subprocess.run(command, env=ENVIRONMENT, timeout=120, check=False).returncode == 0
    assert parts.contents(out) == whole
    # Of each life, only what was in work at its end is begun again: two workers, and what they took meanwhile.
    count = len(list(folder.iterdir()))
    assert begun(marks) <= count + 6 * done
    return {"kills": done, "parts": count, "begun": begun(marks)}


@pytest.mark.long
def test_the_driver_killed(folder, whole, marks, tmp_path):
    figures = killed_drivers(folder, whole, marks, tmp_path / "out", kills=2, seconds=0.2)
    assert figures["kills"] == 2


FULL_STORE = """
import sys
from functools import partial
from pathlib import Path
import numpy as np, ray
import parts
from factory.engines.engine import open_engine
ray.init(address="local", num_cpus=2, include_dashboard=False, object_store_memory=78 * 2**20, log_to_driver=False)
hog = [ray.put(np.zeros(10 * 2**20, dtype=np.uint8)) for _ in range(7)]
with open_engine("ray") as engine:
    parts.run(Path(sys.argv[1]), Path(sys.argv[2]), partial(parts.sieve, 3), engine=engine)
assert ray.is_initialized(), "a connection that was there before is left as it was"
"""


@pytest.mark.long
def test_a_full_object_store_does_not_matter(tmp_path):
    """The least store that Ray allows (75 MiB), full of somebody else's objects; the parts are larger than it."""
    large = parts.write_parts(tmp_path / "large", 5, rows=2_500, words=3_000)
    command = [sys.executable, "-c", FULL_STORE, str(large), str(tmp_path / "ray")]
    assert subprocess.run(command, env=ENVIRONMENT, timeout=120, check=False).returncode == 0
    with open_engine("local", workers=1) as alone:
        parts.run(large, tmp_path / "alone", partial(parts.sieve, 3), engine=alone)
    assert parts.contents(tmp_path / "ray") == parts.contents(tmp_path / "alone")
    assert read_parts(large).estimated_size() > 78 * 2**20


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_many_workers_nodes_and_drivers_killed(tmp_path_factory, cluster):
    """`CHAOS_FIGURES` names a file for what was counted."""
    folder = parts.write_parts(tmp_path_factory.mktemp("many"), 120)
    whole = undisturbed(folder, tmp_path_factory.mktemp("undisturbed") / "out")
    worked = {"seconds": 0.5}
    plays = {
        "workers": partial(killed_workers, engine=cluster, kills=24, pause=(0.4, 1.0), **worked),
        "drivers": partial(killed_drivers, kills=8, **worked),
        "nodes": partial(killed_nodes, kills=4, **worked),
    }
    figures = {}
    for name, play in plays.items():
        base = tmp_path_factory.mktemp(name)
        (base / "marks").mkdir()
        figures[name] = play(folder, whole, base / "marks", base / "out")
    assert figures["workers"]["kills"] >= 20 and figures["drivers"]["kills"] >= 4
    leave(figures)
