"""Where compiled kernels are kept."""

import os
import subprocess
import sys

import pytest

ASK = """
import numpy as np
from factory.text import jit, kernels
print(int(kernels.mix(np.uint64(5))), jit.cache_folder(), sum(kernels.mix.stats.cache_hits.values()))
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
    from factory.text import jit

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    jit.cache_folder.cache_clear()
    mine = jit.cache_folder()
    assert mine is not None
    monkeypatch.setattr(os, "getuid", lambda: mine.stat().st_uid + 1)
    jit.cache_folder.cache_clear()
    assert jit.cache_folder() is None
    jit.cache_folder.cache_clear()


def test_importing_the_room_does_not_load_the_compiler():
    names = (
        "factory.cli.main, factory.cli.dedup, factory.steps.deduplicate, factory.deduplication, factory.text"
    )
    code = f"import sys, {names}; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
