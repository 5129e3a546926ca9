"""Killed in the middle: an export or an upload that dies at any moment is done again and ends the same."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from factory.run.parts import MANIFEST, check_parts
from factory.steps import export
from schemas import COMPLETION

EXPORT = """
import sys
from pathlib import Path
from factory.publishing import ordering, shards
from factory.steps import export
from schemas import COMPLETION
ordering.RANGE_BYTES, shards.GROUP_ROWS = 40_000, 100
print("go", flush=True)
export.run(Path(sys.argv[1]), Path(sys.argv[2]), COMPLETION, shard_bytes=20_000)
"""


@pytest.mark.slow
def test_export_killed_anywhere_leaves_nothing_that_looks_whole(make, tmp_path: Path) -> None:
    rows = make.step_folder(tmp_path / "rows", make.completions(4_000, words=40), COMPLETION, chunk=500)
    out = tmp_path / "out"
    command = [sys.executable, "-c", EXPORT, str(rows), str(out)]
    env = os.environ | {"FACTORY_PROGRESS": "off"}
    whole = subprocess.run([*command[:-1], str(tmp_path / "whole")], env=env, capture_output=True, check=True)
    assert whole.returncode == 0
    expected = {p.name: p.read_bytes() for p in (tmp_path / "whole").glob("*.parquet")}
    assert len(expected) > 3
    generator, killed = random.Random(0), 0
    for _ in range(12):
        process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        process.stdout.readline()
        time.sleep(generator.uniform(0, 0.8))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        if (out / MANIFEST).exists():
            check_parts(out)
    assert killed >= 3
    subprocess.run(command, env=env, capture_output=True, check=True)
    assert {p.name: p.read_bytes() for p in out.glob("*.parquet")} == expected
    assert sorted(p.name for p in out.iterdir()) == sorted([*expected, MANIFEST])


def test_an_interrupted_sort_leaves_no_scratch_behind(
    make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from factory.publishing import ordering

    rows = make.step_folder(tmp_path / "rows", make.completions(500), COMPLETION)
    monkeypatch.setattr(ordering, "RANGE_BYTES", 4_000)
    calls = []

    def stop(table, key):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return table

    monkeypatch.setattr(ordering, "_sort", stop)
    with pytest.raises(KeyboardInterrupt):
        export.run(rows, tmp_path / "out", COMPLETION)
    assert list((tmp_path / "out").iterdir()) == []
