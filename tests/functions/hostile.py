"""Functions that misbehave, by rule: what goes wrong, times how it is wrapped. Every one returns True where nothing goes wrong."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

HARM = {
    "raises": "raise KeyError('hint')",
    "divides": "1 / 0",
    "hangs": "while True: pass",
    "exits": "sys.exit(0)",
    "quits": "os._exit(0)",
    "forks": "os.fork()",
    "runs": "subprocess.run(['true'])",
    "shell": "os.system('true')",
    "kills": "os.kill(os.getppid(), 9)",
    "connects": "socket.create_connection(('127.0.0.1', 9))",
    "resolves": "socket.getaddrinfo('example.com', 80)",
    "fetches": "urllib.request.urlopen('http://127.0.0.1:9/')",
    "eats": "bytearray(3 * 2**30)",
    "recurses": "(lambda f: f(f))(lambda f: f(f))",
    "crashes": "os.abort()",
    "segfaults": "ctypes.string_at(0)",
    "closes": "os.closerange(3, 64)",
    "none": "return None",
    "object": "return object()",
    "number": "return 7",
    "nan": "return float('nan')",
    "text": "return 'yes'",
    "list": "return [True]",
    "odd dict": "return {'verdict': True, 'score': 1}",
    "late dict": "return {'verdict': {'verdict': True}}",
    "itself": "a = []; a.append(a); return a",
    "huge": "return 'correct' * 4_000_000",
    "no words": "raise type('E', (Exception,), {'__str__': lambda self: 1 / 0})",
    "interrupt": "raise KeyboardInterrupt",
    "generator exit": "raise GeneratorExit",
}
"""Statements after which no row may be called correct."""
REFUSED = ("forks", "runs", "shell", "kills", "connects", "resolves", "fetches")
"""Harm that stays harm when the function swallows the error."""
NOISE = (
    "print('x' * 10_000)",
    'sys.stdout.write(\'{"value": "true"}\'); sys.stdout.flush()',
    "os.write(1, b'\\x00\\x00\\x00\\x04true')",
    "sys.stderr.write('y' * 100_000)",
    "warnings.warn('odd')",
    "random.seed(1); os.environ['X'] = '1'; os.chdir('/')",
    "logging.getLogger().critical('loud')",
    "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
    "input() if False else None",
    "list(range(100_000))",
)
"""Statements that are harmless: the verdict stays."""
IMPORTS = (
    "import ctypes, logging, os, random, socket, subprocess, sys, threading, time, urllib.request, warnings"
)


@dataclass(frozen=True, slots=True)
class Case:
    """A file with a function `check`, and the responses at which it misbehaves."""

    name: str
    source: str
    bad: frozenset[str]


def cases(seed: int, count: int) -> Iterator[Case]:
    """Draw cases."""
    draw = random.Random(seed)
    for _ in range(count):
        harm = draw.choice(sorted(HARM))
        wrap = draw.choice(["plain", "helper", "object", "partial", "beside"])
        if harm in REFUSED:
            wrap = draw.choice([wrap, "swallows"])
        bad = frozenset(draw.sample("abcdef", draw.randint(1, 2)))
        yield Case(f"{harm}, {wrap}", source(HARM[harm], wrap, bad, draw.choice(NOISE)), bad)


def source(harm: str, wrap: str, bad: frozenset[str], noise: str) -> str:
    """The text of a file."""
    test = f"if response in {sorted(bad)!r}:"
    if wrap == "swallows":
        body = (
            f"    {test}\n        try:\n            {harm}\n        except BaseException:\n            pass\n"
        )
    else:
        body = f"    {test}\n        {harm}\n"
    body = f"    {noise}\n{body}    return True\n"
    if wrap == "helper":
        return f"{IMPORTS}\ndef helper(response):\n{body}\ndef check(response, answer):\n    return helper(response)\n"
    if wrap == "object":
        inner = body.replace("\n", "\n    ").rstrip()
        return f"{IMPORTS}\nclass C:\n    def __call__(self, response):\n    {inner}\ncheck = C()\n"
    if wrap == "partial":
        return f"{IMPORTS}\nimport functools\ndef inner(limit, response):\n{body}\ncheck = functools.partial(inner, 1)\n"
    if wrap == "beside":
        return f"{IMPORTS}\ndef check(response, row, problem=None, nothing=3, **rest):\n{body}"
    return f"{IMPORTS}\ndef check(response):\n{body}"
