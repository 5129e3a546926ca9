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
    """Two cores, and two GPUs that Ray is told of and nobody has."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    import ray

    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    ray.init(address="local", num_cpus=2, num_gpus=2, include_dashboard=False, **quiet)
    try:
        with open_engine("ray") as engine:
            yield engine
        assert ray.is_initialized(), "a connection that was there before is left as it was"
    finally:
        ray.shutdown()


@pytest.fixture(scope="session")
def local_engine():
    with open_engine("local", workers=2) as engine:
        yield engine


@pytest.fixture(params=["local", "ray"])
def engine(request):
    return request.getfixturevalue(f"{request.param}_engine")
