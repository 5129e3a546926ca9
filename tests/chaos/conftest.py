"""The fault server, for the tests of kills."""

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "servers")]

from running import servers  # noqa: E402


@pytest.fixture
def serve():
    """Start fault servers; see `running.servers`."""
    with servers() as start:
        yield start
