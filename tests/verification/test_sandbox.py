"""Each promise of the sandbox, by a program that tries to break it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from factory.verification import sandbox
from factory.verification.contained import isolate
from factory.verification.sandbox import available, run_python

pytestmark = pytest.mark.skipif(not available(), reason="programs cannot be contained on this system")
RAW = """
import os, sys
def tried(f, *a, **k):
    try:
        return f(*a, **k)
    except BaseException as error:
        return type(error).__name__
"""


def test_a_program_reaches_no_file_network_or_process(tmp_path):
    canary = tmp_path / "canary"
    for attack in (
        f"open({str(canary)!r}, 'w').write('x')",
        "import socket; socket.socket()",
        "import subprocess; subprocess.run(['ls'])",
        "import os; os.fork()",
        "import os; os.kill(os.getppid(), 9)",
        "print(open('/proc/self/environ').read())",
        "x = bytearray(10**10)",
    ):
        assert not run_python(attack, seconds=3).ok, attack
    assert not canary.exists()
    assert run_python("while True: pass", seconds=0.5).reason == "did not end within 0.5 s of processor time"
    stubborn = "import signal\nsignal.signal(signal.SIGPROF, lambda *_: None)\nwhile True: pass"
    assert not run_python(stubborn, seconds=0.5).ok
    assert "wall-clock" in run_python("import time; time.sleep(60)", seconds=0.2).reason
    assert run_python("print(input()[::-1])", "abc").output == "cba\n"


def test_a_program_cannot_send_a_signal_through_fcntl():
    """F_SETOWN names a process, F_SETSIG a signal, O_ASYNC sends it when the pipe moves."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as victim:
        attack = (
            RAW
            + f"""
import fcntl, struct
print(tried(fcntl.fcntl, 1, fcntl.F_SETOWN, {victim.pid}))
print(tried(fcntl.fcntl, 1, 10, 9))
print(tried(fcntl.fcntl, 1, 15, struct.pack("ii", 1, {victim.pid})))
print(tried(fcntl.fcntl, 1, fcntl.F_SETFL, fcntl.fcntl(1, fcntl.F_GETFL) | os.O_ASYNC))
sys.stdout.flush()
for _ in range(100):
    os.write(1, b"x")
"""
        )
        said = run_python(attack).output.split()
        time.sleep(0.2)
        alive = victim.poll() is None
        victim.kill()
    assert said[:4] == ["PermissionError"] * 4 and alive


def test_a_program_learns_nothing_of_files_and_processes(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("x")
    attack = (
        RAW
        + f"""
for path in ({str(secret)!r}, "/proc/{os.getpid()}/cwd", "/etc/passwd", "/", "."):
    for call in (os.stat, os.lstat, os.readlink, os.listdir, os.scandir, os.path.exists, os.chdir, os.access, os.unlink):
        found = tried(call, path, *([0] if call is os.access else []))
        if found not in (False, "PermissionError", "OSError", "FileNotFoundError"):
            print(call.__name__, path, found)
print(tried(os.getcwd), tried(os.uname), tried(os.getppid) == -1, tried(os.statvfs, "/"))
"""
    )
    assert run_python(attack).output == "PermissionError PermissionError True PermissionError\n"


def test_a_program_makes_no_memory_executable_and_no_process():
    attack = (
        RAW
        + """
import mmap
print(tried(mmap.mmap, -1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC))
print(tried(os.fork), tried(os.kill, 1, 0), tried(os.sched_setaffinity, 0, [0]), tried(os.nice, 1), tried(os.setsid))
import threading, resource
print(tried(threading.Thread(target=print).start), tried(resource.setrlimit, resource.RLIMIT_CPU, (9, 9)))
"""
    )
    assert set(run_python(attack).output.split()) <= {
        "PermissionError",
        "RuntimeError",
        "ValueError",
        "OSError",
    }


def test_a_flood_of_output_ends_the_program_and_takes_no_memory():
    for line in ("print('x' * 10**6)", "sys.stderr.write('x' * 10**6)", "os.write(1, b'x' * 10**6)"):
        run = run_python(f"import sys, os\nwhile True: {line}", seconds=1.0)
        assert not run.ok and len(run.output) <= sandbox.OUTPUT_BYTES
    frames = "import os\nwhile True:\n    for fd in range(3, 30):\n        try: os.write(fd, b'\\xff' * 10**6)\n        except OSError: pass"
    assert not run_python(frames, seconds=1.0).ok


def test_a_program_that_never_reads_or_reads_much_is_fed_within_bounds():
    assert run_python("print(1)", "x" * 3_000_000).output == "1\n"
    assert run_python("print(len(input()))", "x" * 3_000_000).output == "3000000\n"


def test_memory_and_threads_are_bounded():
    assert run_python("print(len(bytearray(200 * 2**20)))").output == f"{200 * 2**20}\n"
    assert run_python("bytearray(600 * 2**20)").reason.startswith("MemoryError")
    assert not run_python("import threading\nthreading.Thread(target=print).start()").ok


def test_nothing_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run_python("print(1)")
    run_python("while True: pass", seconds=0.2)
    process = sandbox.Contained(sandbox.job("script", "import time; time.sleep(60)"), stdin=b"")
    time.sleep(1.0)
    process.process.kill()
    process.close()
    assert list(tmp_path.iterdir()) == []


def test_a_status_proves_nothing():
    assert run_python("import os; os._exit(0)").output == ""
    assert run_python("print(7); import sys; sys.exit(3)") == sandbox.Run(True, "7\n", "ended")
    assert not run_python("import ctypes").ok


def test_other_systems_are_said_to_offer_nothing(monkeypatch):
    monkeypatch.setattr(isolate, "filtered", lambda: False)
    monkeypatch.setattr(sandbox, "jail", lambda: ())
    assert not available()
    assert run_python("print(1)").reason == "no sandbox on this system"


def test_bubblewrap_is_used_where_it_works(tmp_path, monkeypatch):
    """A stand-in that only notes its use; and one that does not work, which is passed over."""
    for body, used in (
        (f'echo used >> {tmp_path}/log\nwhile [ "$1" != {sys.executable} ]; do shift; done\nexec "$@"', True),
        ("exit 1", False),
    ):
        tool = tmp_path / "bwrap"
        tool.write_text(f"#!/bin/sh\n{body}\n")
        tool.chmod(0o755)
        sandbox.jail.cache_clear()
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        assert bool(sandbox.jail()) is used
        assert run_python("print(7)").output == "7\n"
        sandbox.jail.cache_clear()
    assert Path(tmp_path, "log").read_text().count("used") >= 2


@pytest.mark.skipif(not sandbox.jail(), reason="bubblewrap is not installed or does not work here")
def test_bubblewrap_itself():
    assert run_python("print(input()[::-1])", "abc").output == "cba\n"
    assert run_python("while True: pass", seconds=0.5).reason == "did not end within 0.5 s of processor time"
