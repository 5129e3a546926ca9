"""The command line as a user starts it."""

import os
import subprocess
import sys


def run_factory(
    *words: object, cwd=None, timeout=240, **environment: str
) -> subprocess.CompletedProcess[str]:
    """`factory WORDS` in a process of its own; the result holds what it said."""
    return subprocess.run(
        [sys.executable, "-m", "factory.cli.main", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=timeout,
        env=os.environ | {"FACTORY_PROGRESS": "off"} | environment,
        check=False,
    )
