"""Where compiled kernels are kept."""

import os
import subprocess
import sys

import pytest

from factory.text import compiled

ASK = """
import numpy as np
from factory.text import compiled, kernels
print(int(kernels.mix(np.uint64(5))), compiled.cache_folder(), sum(kernels.mix.stats.cache_hits.values()))
"""


def ask(**environment):
    done = subprocess.run(
        [sys.executable, "-c", ASK], capture_output=True, text=True, timeout=120, env=os.environ | environment
    )
    assert done.returncode == 0, done.stderr
    value, folder, hits = done.stdout.split()
    assert int(value) == 13168350753275463132  # splitmix64's finaliser, in plain integers
    return folder, int(hits)


def test_a_kernel_is_compiled_once_and_loaded_by_the_next_process(tmp_path):
    folder, hits = ask(XDG_CACHE_HOME=str(tmp_path))
    assert folder.startswith(str(tmp_path))
    assert hits == 0
    assert ask(XDG_CACHE_HOME=str(tmp_path)) == (folder, 1)


@pytest.mark.parametrize("home", ["/dev/null", "/proc/nothing"])
def test_without_a_folder_to_write_every_process_compiles_for_itself(home):
    assert ask(XDG_CACHE_HOME=home) == ("None", 0)


def test_the_folder_of_somebody_else_is_not_trusted(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compiled.cache_folder.cache_clear()
    mine = compiled.cache_folder()
    assert mine is not None
    monkeypatch.setattr(os, "getuid", lambda: mine.stat().st_uid + 1)
    compiled.cache_folder.cache_clear()
    assert compiled.cache_folder() is None
    compiled.cache_folder.cache_clear()


def test_importing_the_room_does_not_load_the_compiler():
    names = (
        "factory.cli.main, factory.cli.dedup, factory.steps.deduplicate, factory.deduplication, factory.text"
    )
    code = f"import sys, {names}; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_folders_of_older_versions_are_removed(tmp_path):
    old = tmp_path / "cot-factory" / "kernels-0123456789abcdef"
    old.mkdir(parents=True)
    (old / "some.nbi").write_bytes(b"")
    folder, _ = ask(XDG_CACHE_HOME=str(tmp_path))
    assert [str(path) for path in old.parent.iterdir()] == [folder]


def test_kernels_are_used_from_the_size_on_that_pays(monkeypatch):
    monkeypatch.setattr(compiled, "_active", False)
    monkeypatch.setattr(compiled, "is_cached", lambda: False)
    assert not compiled.prepare(compiled.UNCACHED_PAY - 1)
    monkeypatch.setattr(compiled, "is_cached", lambda: True)
    assert not compiled.prepare(compiled.CACHED_PAY - 1)
    assert compiled.prepare(compiled.CACHED_PAY)
    assert compiled.prepare(1)  # loaded already


def test_without_numba_array_code_does_everything(monkeypatch):
    monkeypatch.setattr(compiled, "_active", False)
    monkeypatch.setattr(compiled, "find_spec", lambda name: None)
    assert not compiled.prepare(2**40)
