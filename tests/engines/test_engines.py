"""Both engines keep the same contract: order, errors, deaths, laziness."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count, islice

import items
import pytest

from factory.engines.engine import AHEAD, TRIES, open_engine
from factory.errors import FactoryError, Stopped, UsageError


def test_results_come_in_the_order_of_the_items(engine):
    assert list(engine.map(items.square, range(100))) == [x * x for x in range(100)]


def test_no_items_and_one_item(engine):
    assert list(engine.map(items.square, [])) == []
    assert list(engine.map(items.square, [7])) == [49]


def test_work_is_spread_over_processes_other_than_this(engine):
    found = set(engine.map(items.who, range(20)))
    assert len(found) == 2
    assert os.getpid() not in found


def test_workers_keep_to_one_thread(engine):
    assert set(engine.map(items.threads, range(4))) == {1}


def test_relative_paths_mean_the_same_in_workers(engine, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert set(engine.map(items.folder, range(4))) == {str(tmp_path)}


def test_an_error_arrives_as_it_was_raised_and_after_the_results_before_it(engine):
    got = []
    with pytest.raises(Stopped, match="item 3 is refused - run again") as caught:
        for result in engine.map(items.refuse, range(50)):
            got.append(result)
    assert got == [0, 1, 2]
    assert caught.value.exit_code == 3
    assert list(engine.map(items.square, range(5))) == [0, 1, 4, 9, 16], "the engine is of no more use"


def test_an_unforeseen_error_says_where_it_happened(engine):
    with pytest.raises(ZeroDivisionError) as caught:
        list(engine.map(items.divide, range(4)))
    assert "items.py" in str(caught.value) + "".join(getattr(caught.value, "__notes__", []))


def test_items_are_taken_only_as_they_are_needed(engine):
    taken = []

    def endless():
        for number in count():
            taken.append(number)
            yield number

    assert list(islice(engine.map(items.square, endless()), 5)) == [0, 1, 4, 9, 16]
    assert len(taken) <= AHEAD * engine.workers + 5


def test_killed_workers_are_replaced_and_nothing_is_lost(engine, tmp_path):
    assert list(engine.map(partial(items.die_once, tmp_path), range(40))) == list(range(40))
    assert sorted(int(p.name) for p in tmp_path.iterdir()) == [5, 15, 25, 35]


def test_an_item_that_kills_every_worker_is_named(engine):
    with pytest.raises(FactoryError, match=f"ended {TRIES} times at 2 "):
        list(engine.map(items.die_always, range(4)))
    assert list(engine.map(items.square, range(3))) == [0, 1, 4]


def test_a_straggler_holds_nobody_up_and_order_is_kept(engine, tmp_path):
    assert list(engine.map(partial(items.straggle, tmp_path, 19), range(20))) == list(range(20))


def test_each_gpu_is_one_process_that_keeps_what_it_loaded(ray_engine):
    assert ray_engine.gpus == 2
    found = list(ray_engine.map(items.calls, range(30), gpu=True))
    assert [x for x, _, _ in found] == list(range(30))
    most = {pid: max(calls for _, p, calls in found if p == pid) for _, pid, _ in found}
    assert len(most) == 2 and sum(most.values()) == 30


def test_a_killed_gpu_process_is_replaced_and_nothing_is_lost(ray_engine, tmp_path):
    assert list(ray_engine.map(partial(items.die_once, tmp_path), range(20), gpu=True)) == list(range(20))
    assert len(list(tmp_path.iterdir())) == 2


def test_errors_on_gpus_come_at_their_turn(ray_engine):
    got = []
    with pytest.raises(Stopped, match="item 3 is refused"):
        for result in ray_engine.map(items.refuse, range(50), gpu=True):
            got.append(result)
    assert got == [0, 1, 2]
    with pytest.raises(FactoryError, match=f"ended {TRIES} times"):
        list(ray_engine.map(items.die_always, range(4), gpu=True))


def test_a_straggler_on_a_gpu_holds_nobody_up(ray_engine, tmp_path):
    straggle = partial(items.straggle, tmp_path, 11)
    assert list(ray_engine.map(straggle, range(12), gpu=True)) == list(range(12))


def test_a_single_item_stays_in_this_process(local_engine):
    assert list(local_engine.map(items.who, ["one"])) == [os.getpid()]


def test_leaving_ends_the_workers_at_once(tmp_path):
    began = time.monotonic()
    with open_engine("local", workers=2) as engine, ThreadPoolExecutor() as pool:
        running = pool.submit(list, engine.map(partial(items.note, tmp_path, 60), range(4)))
        while len(list(tmp_path.iterdir())) < 2:
            assert time.monotonic() - began < 40, "workers did not start"
            time.sleep(0.05)
        engine.__exit__()
        with pytest.raises(FactoryError, match="the engine is closed"):
            running.result()
    assert time.monotonic() - began < 45


def test_resting_workers_are_gone_and_come_back(local_engine):
    before = set(local_engine.map(items.who, range(8)))
    local_engine.rest()
    assert not any(os.path.exists(f"/proc/{pid}") for pid in before)
    after = set(local_engine.map(items.who, range(8)))
    assert len(after) == 2 and not after & before


def test_workers_end_with_their_parent_even_by_kill_9(tmp_path):
    program = (
        "import sys; from functools import partial; import items\n"
        "from factory.engines.engine import open_engine\n"
        "if __name__ == '__main__':\n"
        "    with open_engine('local', workers=2) as engine:\n"
        "        list(engine.map(partial(items.note, sys.argv[1], 60), range(4)))\n"
    )
    script = tmp_path / "program.py"
    script.write_text(program)
    marks = tmp_path / "marks"
    marks.mkdir()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    parent = subprocess.Popen([sys.executable, str(script), str(marks)], env=environment)
    until = time.monotonic() + 60
    while len(list(marks.iterdir())) < 2:
        assert time.monotonic() < until and parent.poll() is None
        time.sleep(0.05)
    pids = [int(path.name.partition(".")[2]) for path in marks.iterdir()]
    parent.kill()
    parent.wait()
    while any(os.path.exists(f"/proc/{pid}") for pid in pids):
        assert time.monotonic() < until, "workers outlive their parent"
        time.sleep(0.05)


def test_a_cluster_that_does_not_answer_is_one_line_at_once(tmp_path):
    recipe = tmp_path / "r.yaml"
    recipe.write_text(
        "name: r\nproblems: {sources: ['procedural:all?count=5&seed=1']}\ngenerate: {teacher: procedural}\ntrain: null\n"
    )
    command = [sys.executable, "-m", "factory.cli.main", "run", str(recipe), "--engine", "ray"]
    command += ["--out", str(tmp_path / "run")]
    environment = {**os.environ, "RAY_ADDRESS": "127.0.0.1:1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "cannot join the Ray cluster at 127.0.0.1:1: Connection refused" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_ray_that_cannot_be_loaded_is_one_line(monkeypatch, tmp_path):
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "__init__.py").write_text("raise ImportError('no protobuf')")
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UsageError, match="cannot be loaded: no protobuf - reinstall"), open_engine("ray"):
        pass


def test_wrong_names_and_missing_packages_are_one_line(monkeypatch):
    with pytest.raises(UsageError, match="no engine slurm - choose local or ray"), open_engine("slurm"):
        pass
    monkeypatch.setattr("factory.engines.ray.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="pip install 'cot-factory\\[ray\\]'"), open_engine("ray"):
        pass
