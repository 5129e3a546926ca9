"""One Ray cluster for the tests that break nothing, and the functions that workers import."""

import os
import sys
from pathlib import Path

import pytest

from factory.engines.engine import open_engine

# Spawned workers get this process's path, Ray's get the environment: both then find `items` under the same name.
HERE = str(Path(__file__).parent)
sys.path.insert(0, HERE)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [HERE, os.environ.get("PYTHONPATH")]))


@pytest.fixture(scope="session")
def ray_engine():
    with open_engine("ray", workers=2) as engine:
        yield engine


@pytest.fixture(scope="session")
def local_engine():
    with open_engine("local", workers=2) as engine:
        yield engine


@pytest.fixture(params=["local", "ray"])
def engine(request):
    return request.getfixturevalue(f"{request.param}_engine")
