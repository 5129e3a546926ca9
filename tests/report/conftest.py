"""A synthetic run, made once for the tests that only read it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import synthetic_run

sys.path.pop(0)


@pytest.fixture(scope="session")
def make_run():
    return synthetic_run.make_run


@pytest.fixture(scope="session")
def full_run(tmp_path_factory):
    return synthetic_run.make_run(tmp_path_factory.mktemp("runs") / "synthetic")


@pytest.fixture(scope="session")
def hostile():
    return synthetic_run.HOSTILE
