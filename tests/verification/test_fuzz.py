"""A short run of the coverage-guided fuzzer; hypothesis does the same job in the quick tests without coverage."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

TARGET = Path(__file__).with_name("fuzz_answers.py")
SEEDS = (
    "\\boxed{\\frac{1}{2}}", "The answer is $x \\in [1, 2) \\cup (3, \\infty)$.", "#### 1,234", "<answer>(1, 2), (3, 4)</answer>",
    "\\boxed{\\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix}}", "10^{10^{10}}!", "__import__('os').system('true')",
    "\\boxed{2 \\text{ hours } 30 \\text{ minutes}}", "January 5, 2020", "\\pm\\sqrt[3]{2}", "最终答案：12", "f(x)=|x|, x\\ne 0",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris is not installed (extra `test`)"
)
def test_fuzzing_finds_nothing(tmp_path):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(SEEDS):
        (corpus / str(number)).write_text(seed, "utf-8")
    seconds = os.environ.get("FUZZ_SECONDS", "20")
    command = [
        sys.executable,
        str(TARGET),
        str(corpus),
        f"-max_total_time={seconds}",
        "-max_len=600",
        "-seed=7",
    ]
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [*command, f"-artifact_prefix={tmp_path}/"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([root, *filter(None, sys.path)])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3_000:]
    assert "Done " in done.stdout, done.stdout[-3_000:]
