"""Coverage-guided fuzzing of extraction, parsing and comparison: `python fuzz_answers.py CORPUS -max_total_time=30`.

The first line is the response, the rest the gold. Nothing but `NotMath` may leave the parser, no input may take a second of processor time, and no input may reach
Python's own evaluators or start a process.
"""

import contextlib
import sys
import time

import atheris

with atheris.instrument_imports(include=["factory.verification"]):
    from factory.verification.check import CheckRequest, Prepared, prepare
    from factory.verification.compare import same
    from factory.verification.mathematics import readings
    from factory.verification.structure import parse
    from factory.verification.syntax import NotMath

FORBIDDEN = ("exec", "os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "socket.connect")
SECONDS = 1.0
GOLD = parse("\\frac{x+1}{2}")
armed = False


def watch(event, arguments):
    if armed and (event in FORBIDDEN or (event == "compile" and arguments[1] in (None, "<string>"))):
        raise SystemError(f"{event} was reached from an answer: {arguments!r:.200}")


def one_input(data):
    global armed
    response, _, gold = data.decode("utf-8", "surrogateescape").partition("\n")
    armed, began = True, time.process_time()
    try:
        settled = prepare(CheckRequest(response, gold or "1"))
        assert isinstance(settled, Prepared) or settled.verdict
        for answer in readings(response):
            with contextlib.suppress(NotMath):
                same(GOLD, answer)
        with contextlib.suppress(NotMath):
            parse(response)
    finally:
        armed = False
    assert time.process_time() - began < SECONDS, f"slow: {response!r}"


if __name__ == "__main__":
    sys.addaudithook(watch)
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
