"""What happens around a tired user: a disk that fills up, a network that is not there. One line each, and it resumes."""

import hashlib
import json
import os
import shutil
import subprocess
import sys

import pytest

from factory.run.parts import read_parts
from tests.support.marks import mostly_long

COMMAND = f"{sys.executable} -m factory.cli.main"


def apart(flags, script, folder):
    """A script in namespaces of its own; its output and what it said."""
    if not shutil.which("unshare"):
        pytest.skip("no unshare on this machine")
    settings = {**os.environ, "FACTORY_PROGRESS": "off", "HF_HUB_OFFLINE": "0", "OPENAI_API_KEY": "k"}
    done = subprocess.run(
        ["unshare", flags, "sh", "-c", script], cwd=folder,
        env=settings, capture_output=True, text=True, check=False
    )  # fmt: skip
    if "ends" not in done.stdout:
        pytest.skip("no namespaces here")
    return done.stdout, done.stderr


@pytest.mark.parametrize("verb", mostly_long(["dedup", "import"]))
def test_a_full_disk_is_one_line_and_the_same_command_goes_on(verb, tmp_path):
    lines = (
        json.dumps({"id": str(i), "problem": hashlib.sha256(b"%d" % i).hexdigest(), "answer": str(i)})
        for i in range(6_000)
    )
    (tmp_path / "p.jsonl").write_text("\n".join(lines))
    (tmp_path / "disk").mkdir()
    command = f"{COMMAND} {verb} p.jsonl --out disk/o"
    mount = "mount -t tmpfs -o size=100k none disk || exit 77"
    script = f"{mount}; {command}; echo ends $?; mount -o remount,size=90m disk; {command}; echo ends $?"
    out, err = apart("-rm", script, tmp_path)
    assert [line for line in out.splitlines() if line.startswith("ends")] == ["ends 3", "ends 0"], err
    assert err.count("factory: ") == err.count("the disk is full") == 1
    assert not list(tmp_path.glob("factory-error*"))


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (
            "generate p.jsonl --teacher openai --model m --samples 1 --out o",
            1,
            "cannot reach https://api.openai",
        ),
        pytest.param(
            "import hf://datasets/openai/gsm8k --out o",
            2,
            "cannot load hf://datasets/openai/gsm8k",
            marks=pytest.mark.long,  # its library tries for 20 seconds
        ),
    ],
)
def test_without_a_network_one_line_says_what_was_not_reached(words, code, said, tmp_path):
    (tmp_path / "p.jsonl").write_text(json.dumps({"problem": "What is 2 + 3?", "answer": "5"}))
    out, err = apart("-rn", f"{COMMAND} {words}; echo ends $?", tmp_path)
    assert f"ends {code}" in out, err
    assert err.count("factory: ") == 1 and said in err
    assert not list(tmp_path.glob("factory-error*"))


@pytest.mark.parametrize("closed", mostly_long(["2>&-", "<&- >&- 2>&-", "2>/dev/full"]))
def test_a_job_whose_messages_nobody_can_read_ends_well(tmp_path, closed):
    """A closed standard error made every progress line an error, and gave its number to the first file that was opened."""
    words = "generate 'procedural:countdown?count=3' --samples 1 --teacher procedural --store store --out out"
    command = f"exec {sys.executable} -m factory.cli.main {words} {closed}"
    env = os.environ | {"FACTORY_PROGRESS": "log"}
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, env=env, check=False)
    assert done.returncode == 0
    assert read_parts(tmp_path / "out").height == 3
