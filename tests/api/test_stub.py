"""What editors read of the functions: factory/__init__.pyi."""

import subprocess
import sys

import pytest

from tests.docs.api_stub import STUB, stub


def test_the_stub_says_what_the_functions_take():
    assert STUB.read_text("utf-8") == stub(), "python -m tests.docs.api_stub writes it"


@pytest.mark.long
def test_a_type_checker_knows_every_setting():
    code = "import factory as f\nreveal_type(f.dedup([], threshold=0.7))\nf.dedup([], treshold=0.7)\n"
    words = ["-m", "mypy", "--config-file=", "--follow-imports=silent", "--cache-dir=/dev/null", "-c", code]
    said = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False).stdout
    assert 'Revealed type is "factory.api.result.Deduplication"' in said
    assert 'Unexpected keyword argument "treshold"' in said
