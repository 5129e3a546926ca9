"""Ctrl-C once or often, a batch system's SIGTERM, a closed terminal: one line and exit 3, whatever the verb is doing."""

import os
import signal
import subprocess
import sys

import pytest

VERB = """
import atexit, os, signal, sys, time
from factory.cli import main as cli

def say(word):
    print(word, flush=True)

class App:
    def main(self, **words):
        try:
            say("works")
            time.sleep(600)
        finally:
            say("cleans up")
            if sys.argv[1] == "often":
                time.sleep(600)

cli.build_app = App
if sys.argv[1] == "often":
    atexit.register(lambda: (say("leaves"), sys.stdin.readline()))
cli.main()
"""


def begin(how="once", **options):
    words = [sys.executable, "-c", VERB, how]
    return subprocess.Popen(words, stdin=-1, stdout=-1, stderr=-1, text=True, **options)


def ends(process):
    _, err = process.communicate(input="\n", timeout=60)
    assert err == "factory: stopped - run the same command again to resume\n"
    return process.returncode


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_one_line_and_exit_3(sign):
    process = begin()
    assert process.stdout.readline() == "works\n"
    process.send_signal(sign)
    assert process.stdout.readline() == "cleans up\n"
    assert ends(process) == 3


def test_ctrl_c_again_and_again_changes_nothing_of_it():
    process = begin("often")
    for word in ("works\n", "cleans up\n", "leaves\n"):
        assert process.stdout.readline() == word
        process.send_signal(signal.SIGINT)
    assert ends(process) == 3


def ignore():
    for sign in (signal.SIGHUP, signal.SIGINT):
        signal.signal(sign, signal.SIG_IGN)


def test_what_runs_in_the_background_hears_sigterm_alone():
    """`nohup`, and `&` in a script, which has Ctrl-C ignored."""
    process = begin(preexec_fn=ignore)
    assert process.stdout.readline() == "works\n"
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGINT)
    os.kill(process.pid, signal.SIGTERM)
    assert process.stdout.readline() == "cleans up\n"
    assert ends(process) == 3


@pytest.mark.parametrize(
    ("setting", "codes"), [("nullcontext()", (-signal.SIGINT, 130)), ("terminated()", (3,))]
)
def test_the_exit_code_holds_under_m_when_the_interrupt_passed_through_exec(tmp_path, setting, codes):
    """`python -m` died of SIGINT (-2) instead, whatever the code given to sys.exit."""
    (tmp_path / "interrupted.py").write_text(
        "import sys\nfrom contextlib import nullcontext\nfrom factory.signals import terminated\n"
        f"try:\n    with {setting}:\n        exec('raise KeyboardInterrupt')\n"
        "except KeyboardInterrupt:\n    pass\nsys.exit(3)\n"
    )
    done = subprocess.run([sys.executable, "-m", "interrupted"], cwd=tmp_path, check=False)
    assert done.returncode in codes
