"""The memory of a step by part does not grow with the number of parts."""

import json
import subprocess
import sys
from pathlib import Path

import parts
import pytest

PROGRAM = """
import json, resource, sys
from functools import partial
from pathlib import Path
import parts
from factory.engines.engine import open_engine
with open_engine("local", workers=1) as engine:
    manifest = parts.run(Path(sys.argv[1]), Path(sys.argv[2]), partial(parts.sieve, 3), engine=engine)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"rows": manifest["rows_in"], "peak": peak}))
"""
ROWS, WORDS = 2_500, 700
"""About 5 MB of text a part."""


def peak(folder, out):
    """Rows, and peak MB of the process that works."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder), str(out)],
        env={"PYTHONPATH": str(Path(__file__).parent), "FACTORY_PROGRESS": "off", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.long
def test_peak_memory_is_flat_in_the_number_of_parts(tmp_path):
    few = peak(parts.write_parts(tmp_path / "few", 5, ROWS, WORDS), tmp_path / "a")
    many = peak(parts.write_parts(tmp_path / "many", 30, ROWS, WORDS), tmp_path / "b")
    assert many["rows"] > 7 * few["rows"]
    # 25 more parts are 130 MB of text; the slack is for what the allocators keep.
    assert many["peak"] < few["peak"] + 45, (few, many)
