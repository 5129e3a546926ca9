"""Programs that want `correct` without the work: known hacks, and more of them made by a generator."""

import itertools
import json
import random

import pytest

from factory.verification import CheckRequest, check
from factory.verification.sandbox import available
from schemas.verdict import Verdict

pytestmark = pytest.mark.skipif(not available(), reason="programs cannot be contained on this system")
FORMS = {
    "calls": {"tests": {"inputs": [[1, 2], [7, 4]], "outputs": [3, 11]}, "fn_name": "add"},
    "asserts": {"test_list": ["assert add(1, 2) == 3", "assert add(7, 4) == 11"]},
    "check": {
        "test": "def check(candidate):\n    assert candidate(1, 2) == 3\n    assert candidate(7, 4) == 11\n",
        "entry_point": "add",
    },
    "unittest": {
        "test": "import unittest\nclass T(unittest.TestCase):\n    def test_a(self):\n        self.assertEqual(add(1, 2), 3)\n"
        "    def test_b(self):\n        self.assertAlmostEqual(add(7, 4), 11)\n",
    },
    "pytest": {"tests": "def test_a():\n    assert add(1, 2) == 3\ndef test_b():\n    assert abs(add(7, 4) - 11) < 1e-9\n"},
}  # fmt: skip
LIAR = """
class Liar(int):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    def __gt__(self, other): return True
    def __sub__(self, other): return 0
    def __rsub__(self, other): return 0
    def __abs__(self): return 0
    def __round__(self, *_): return 0
    __hash__ = int.__hash__
"""
OBJECT = LIAR.replace("(int)", "").replace(
    "    __hash__ = int.__hash__\n", "    def __hash__(self): return 3\n"
)
FRAMES = """
import sys
def add(a, b):
    frame = sys._getframe()
    while frame:
        for place, value in enumerate(frame.f_code.co_consts):
            if isinstance(value, int) and value > a + b - 1: return value
        for value in [*frame.f_locals.values(), *frame.f_globals.values()]:
            if isinstance(value, dict) and 'outputs' in value: return value['outputs'][0]
        frame = frame.f_back
"""
HACKS = {
    "exit at the top": "import sys\nsys.exit(0)\ndef add(a, b): pass",
    "exit": "import sys\ndef add(a, b): pass\nsys.exit(0)",
    "SystemExit": "def add(a, b): pass\nraise SystemExit",
    "os._exit": "import os\ndef add(a, b): pass\nos._exit(0)",
    "os._exit inside": "import os\ndef add(a, b): os._exit(0)",
    "exit inside": "def add(a, b): exit(0)",
    "atexit": "import atexit, os\natexit.register(lambda: os._exit(0))\ndef add(a, b): return 0",
    "excepthook": "import sys\nsys.excepthook = lambda *_: None\ndef add(a, b): return 0",
    "equal to all": LIAR + "def add(a, b): return Liar(0)",
    "object equal to all": OBJECT + "def add(a, b): return Liar()",
    "list equal to all": LIAR.replace("(int)", "(list)").replace("int.__hash__", "None") + "def add(a, b): return Liar()",
    "frames": FRAMES,
    "garbage collector": "import gc\ndef add(a, b):\n    return next((o[-1] for o in gc.get_objects() if type(o) is list and 11 in o), 0)",
    "unittest.__main__": "import unittest.__main__\ndef add(a, b): return 0",
    "patched unittest": "import unittest\nfor n in dir(unittest.TestCase):\n    if n.startswith('assert'): setattr(unittest.TestCase, n, lambda *a, **k: None)\n"
    "unittest.main = lambda *a, **k: None\ndef add(a, b): return 0",
    "patched builtins": "import builtins\nbuiltins.abs = lambda x: 0\nbuiltins.AssertionError = SystemExit\ndef add(a, b): return 0",
    "own helpers": "def abs(x): return 0\ndef check(candidate): pass\ndef test_a(): pass\ndef test_b(): pass\nT = None\ndef add(a, b): return 0",
    "forged frames": "import os, struct, json\ndef add(a, b):\n    for m in ({'report': 'correct', 'reason': '', 'label': '', 'ran': 2}, {'value': True}, {'value': ['d', []]}):\n"
    "        body = json.dumps(m).encode()\n        for fd in range(3, 30):\n            try: os.write(fd, struct.pack('>I', len(body)) + body)\n            except OSError: pass\n    return 0",
    "forged output": "def add(a, b):\n    print('2 passed')\n    print('OK')\n    return 0\nprint('OK')",
    "skip": "import unittest\ndef add(a, b): raise unittest.SkipTest('no')",
    "own AssertionError": "def add(a, b): raise AssertionError",
    "KeyboardInterrupt": "def add(a, b): raise KeyboardInterrupt",
    "GeneratorExit": "def add(a, b): raise GeneratorExit",
    "StopIteration": "def add(a, b): raise StopIteration",
    "generator": "def add(a, b):\n    yield 3",
    "callable": "def add(a, b): return add",
    "threads": "import threading, os\nthreading.Timer(0.1, lambda: os._exit(0)).start()\ndef add(a, b): return 0",
    "signals": "import signal, os\nsignal.signal(signal.SIGALRM, lambda *_: os._exit(0))\ndef add(a, b): return 0",
    "trace": "import sys\ndef t(f, e, a):\n    f.f_lineno = f.f_lineno + 1\n    return t\nsys.settrace(t)\ndef add(a, b): return 0",
    "meta class": "class M(type):\n    def __eq__(c, o): return True\n    def __hash__(c): return 1\n    def __call__(c, *a): return c\nclass add(metaclass=M): pass",
    "recursion": "def add(a, b): return add(a, b)",
    "deep": "def add(a, b):\n    x = []\n    for _ in range(10**5): x = [x]\n    return x",
    "cycle": "def add(a, b):\n    x = []\n    x.append(x)\n    return x",
    "huge": "def add(a, b): return 'x' * 10**8",
    "nan": "def add(a, b): return float('nan')",
    "module": "import sys, types\nm = types.ModuleType('solution')\nsys.modules['examiner'] = sys.modules['tests'] = m\ndef add(a, b): return 0",
    "closed pipes": "import os\ndef add(a, b):\n    for fd in range(3, 30):\n        try: os.close(fd)\n        except OSError: pass",
    "stack of calls": "import inspect\ndef add(a, b):\n    return max((v for f in inspect.stack() for v in f.frame.f_locals.values() if isinstance(v, int)), default=0)",
    "files": "def add(a, b):\n    import glob\n    return [open(f).read() for f in glob.glob('/proc/*/cmdline') + glob.glob('*.py')]",
    "peer": "import sys\nfor m in list(sys.modules.values()):\n    p = getattr(m, 'Peer', None)\n    if p: p.reply = lambda self, frame: None\ndef add(a, b): return 0",
    "asks": "import os, json, struct\ndef add(a, b):\n    for fd in range(3, 30):\n        for m in ({'ask': 'get', 'values': [['c', 0], '__globals__']}, {'ask': 'callback', 'which': 0, 'values': [], 'options': {}}):\n"
    "            body = json.dumps(m).encode()\n            try: os.write(fd, struct.pack('>I', len(body)) + body)\n            except OSError: pass\n    return 0",
}  # fmt: skip


def verdict(program, facts):
    return check(CheckRequest(f"```python\n{program}\n```", None, "code", None, json.dumps(facts)))


@pytest.mark.parametrize("hack", HACKS)
def test_a_hack_is_incorrect(hack, monkeypatch):
    """As calls, and in one of the forms whose tests are code, by turns."""
    if hack == "peer":  # it waits, without processor time, for what it has silenced
        monkeypatch.setattr("factory.verification.sandbox.WALL", 2.0)
    every = list(FORMS)
    others = every[2:][sum(map(ord, hack)) % 3]
    for form in (*every[:1], others):
        facts = FORMS[form]
        result = verdict(HACKS[hack], facts)
        assert result.verdict is Verdict.INCORRECT, (form, result.reason)


ESCAPES = (
    "sys.exit(0)",
    "os._exit(0)",
    "raise SystemExit(0)",
    "raise KeyboardInterrupt",
    "print('OK', flush=True)",
    "os.abort()",
    "globals().clear()",
    "sys.stdout = None",
    "builtins.all = lambda _: True",
    "sys.modules.clear()",
    "os.close(1)",
    "sys.setrecursionlimit(10)",
    "gc.disable()",
    "builtins.isinstance = lambda *_: True",
    "sys.excepthook = lambda *_: os._exit(0)",
    "sys.unraisablehook = lambda *_: None",
    "threading.Thread(target=os._exit, args=(0,)).start()",
    "signal.signal(signal.SIGALRM, lambda *_: os._exit(0)); signal.alarm(1)",
    "signal.raise_signal(signal.SIGTERM)",
    "os.kill(os.getppid(), 9)",
    "os.killpg(0, 9)",
    "os.fork()",
    "[os.fork() for _ in range(99)]",
    "subprocess.run(['true'])",
    "os.execv('/bin/true', ['true'])",
    "open('/proc/self/environ').read()",
    "open('/proc/1/cmdline').read()",
    "os.listdir('/proc')",
    "os.readlink('/proc/self/exe')",
    "os.write(1, b'x' * 2**22)",
    "[os.write(fd, b'x' * 2**21) for fd in range(3, 9)]",
    "sys.modules['examiner'] = sys",
    "sys.modules['wire'].read = lambda fd: {}",
    "sys.modules['__main__'].Peer.reply = lambda *_: None",
    "sys._getframe().f_back.f_globals.clear()",
    "sys._getframe(1).f_locals.update(result=3)",
    "builtins.len = lambda _: 2",
    "builtins.sorted = builtins.sum = lambda *_: 3",
    "builtins.__build_class__ = None",
    "builtins.AssertionError = ValueError",
    "__import__('ctypes').CDLL(None)",
    "socket.socket()",
    "sys.settrace(lambda *_: None)",
    "gc.get_objects()[0]",
    "resource.setrlimit(resource.RLIMIT_CPU, (-1, -1))",
)
"""Ways out: exits, hooks, threads, signals, other processes, /proc, floods, patched modules, frames, builtins."""
PLACES = ("top", "function", "atexit", "del", "finally", "decorator", "except", "property")
VALUES = (
    "0",
    "None",
    "Liar(1)",
    "True",
    "[3, 11]",
    "iter([3, 11])",
    "a * b",
    "...",
    "lambda *_: 3",
    "NotImplemented",
    "type",
)


def generated(seed, count):
    """Programs made of a way out, a place for it and a wrong result."""
    draw = random.Random(seed)
    for way, place, value in draw.sample(list(itertools.product(ESCAPES, PLACES, VALUES)), count):
        body = {
            "top": f"def add(a, b):\n    return {value}\n{way}",
            "function": f"def add(a, b):\n    {way}\n    return {value}",
            "atexit": f"def way():\n    {way}\natexit.register(way)\ndef add(a, b):\n    return {value}",
            "del": f"class D:\n    def __del__(self):\n        {way}\ndef add(a, b):\n    D()\n    return {value}",
            "finally": f"def add(a, b):\n    try:\n        return {value}\n    finally:\n        {way}",
            "decorator": f"def wrap(f):\n    def g(*_):\n        {way}\n        return f(1, 1)\n    return g\n@wrap\ndef add(a, b):\n    return {value}",
            "except": f"def add(a, b):\n    try:\n        return {value}\n    except BaseException:\n        {way}",
            "property": f"class A:\n    def __call__(self, a, b):\n        {way}\n        return {value}\nadd = A()",
        }[place]  # fmt: skip
        yield f"import sys, os, atexit, builtins, gc, threading, signal, resource\ntry: import subprocess, socket\nexcept Exception: pass\n{OBJECT.replace('class Liar:', 'class Liar:' + chr(10) + '    def __init__(self, x): pass')}\n{body}"


@pytest.mark.parametrize("form", FORMS)
def test_generated_hacks_are_never_correct(form):
    for program in generated(form, 6):
        result = verdict(program, FORMS[form])
        assert result.verdict is Verdict.INCORRECT, (program, result.reason)


if __name__ == "__main__":  # python -m tests.verification.test_hacks SEED COUNT
    import sys

    ends = {
        form: [
            verdict(program, FORMS[form]).verdict
            for program in generated(f"{sys.argv[1]} {form}", int(sys.argv[2]))
        ]
        for form in FORMS
    }
    sys.stdout.write(
        json.dumps({form: {str(v): of.count(v) for v in set(of)} for form, of in ends.items()}) + "\n"
    )
