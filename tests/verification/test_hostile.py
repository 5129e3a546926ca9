import json
import os
import resource
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.config.verify import VerifySection
from factory.verification import CheckRequest, Verifier
from factory.verification.check import Prepared, prepare
from factory.verification.compare import same
from factory.verification.structure import parse
from factory.verification.syntax import NotMath

SECONDS = 2.0
GOLD = r"\frac{1}{2}\sqrt{3}"


def hostile(canary):
    return [
        "10^{10^{10^{10}}}", "((10^{9})!)!", "100000000!", "9" * 100_000, "(" * 5000 + "1" + ")" * 5000,
        "\\frac{1}{" * 2000 + "1" + "}" * 2000, "a" * 10**6, "1+" * 200_000 + "1", "\x00\x00 7 \x00", "\ud800 7",
        "\\def\\a{\\a\\a}\\a", "\\boxed{" * 5000, "$" * 50_001, "\\[" * 20_000, "1 " * 100_000, "$5 " * 20_000,
        "\\binom{10^{12}}{10^{11}}", "\\sum_{k=1}^{10^{12}} k", "\\pm 1 " * 300, "2^{2^{2^{2^{2^{2}}}}}",
        "(x+1)^{100000}", "answer is " * 50_000, "[0,1]" + "\\cup[2,3]" * 2000, "5" + "!" * 50,
        f"__import__('os').system('touch {canary}')", f"(lambda: open('{canary}','w'))()",
        f"f'{{open(\"{canary}\",\"w\")}}'", "().__class__.__bases__[0].__subclasses__()",
        f"eval(compile('open(\"{canary}\",\"w\")','','exec'))",
    ]  # fmt: skip


def spent_by(requests):
    """Results, and the processor time of all workers that were needed, in seconds."""
    began = resource.getrusage(resource.RUSAGE_CHILDREN)
    with Verifier(VerifySection(workers=1, seconds=SECONDS)) as verifier:
        results = verifier.check_many(requests)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return results, ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime


def test_hostile_answers_end_in_time_and_execute_nothing(tmp_path):
    """Time is processor time: each verdict within the limit plus half a second, on however busy a machine."""
    canary = tmp_path / "canary"
    texts = hostile(canary)
    requests = [CheckRequest(t, GOLD) for t in texts] + [CheckRequest(f"\\boxed{{{t}}}", GOLD) for t in texts]
    requests += [CheckRequest("\\boxed{3+x}", t) for t in texts]
    results, _ = spent_by(requests)
    assert len(results) == len(requests)
    assert not any(result.correct for result in results)
    assert max(result.seconds for result in results) < SECONDS + 0.5
    assert not canary.exists()


def endless(seconds):
    metadata = {"entry": {"metadata": {"source_dataset": f"endless {seconds}"}}}
    return CheckRequest("\\boxed{1}", "1", "reasoning_gym", None, json.dumps(metadata))


@pytest.fixture
def endless_scorer(tmp_path, monkeypatch):
    """A stand-in for reasoning-gym whose scorers compute for a given time, in C and out of Python's reach."""
    (tmp_path / "reasoning_gym.py").write_text(
        "import time\n"
        "def get_score_answer_fn(task):\n"
        "    def score(answer, entry):\n"
        "        if 'asleep' in task:\n"
        "            time.sleep(1e6)\n"
        "        end = time.process_time() + float(task.split()[1])\n"
        "        while time.process_time() < end:\n"
        "            7 ** 200_000\n"
        "        return 1.0\n"
        "    return score\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("endless_scorer")
def test_the_limit_is_processor_time_kept_by_the_kernel():
    _, start = spent_by([endless(0)])
    results, spent = spent_by([endless(60), endless(0)])
    assert [r.verdict for r in results] == ["timeout", "correct"]
    assert "processor time" in results[0].reason and results[0].seconds == SECONDS
    assert spent >= SECONDS and spent - 2 * start < SECONDS + 0.5


@pytest.mark.usefixtures("endless_scorer")
def test_a_busy_machine_does_not_turn_a_verdict_into_a_timeout():
    """Five checks at once, and as many idle loops, on whatever cores there are: each gets a fraction of one."""
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(5)]
    try:
        with Verifier(VerifySection(workers=5, seconds=1.0)) as verifier:
            began = time.perf_counter()
            results = verifier.check_many([endless(0.5 + i / 1000) for i in range(5)])
            took = time.perf_counter() - began
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()
    assert [r.verdict for r in results] == ["correct"] * 5
    assert max(r.seconds for r in results) < 1.0
    cores = len(os.sched_getaffinity(0))
    assert cores > 4 or took > 1.0  # the wall-clock limit of old would have cut some of them off


@pytest.mark.usefixtures("endless_scorer")
def test_a_check_that_only_waits_meets_the_wall_clock_backstop(monkeypatch):
    monkeypatch.setattr("factory.engines.framed.BACKSTOP_SECONDS", 3.0)
    with Verifier(VerifySection(workers=1, seconds=0.2)) as verifier:
        began = time.perf_counter()
        result = verifier.check(endless("asleep"))
        took = time.perf_counter() - began
    assert result.verdict == "timeout" and "wall-clock" in result.reason
    assert took > 3.0


def test_in_process_part_is_quick_whatever_the_text(tmp_path):
    for text in hostile(tmp_path / "canary"):
        for request in (CheckRequest(text, GOLD), CheckRequest(f"\\boxed{{{text}}}", "east")):
            began = time.process_time()
            prepare(request)
            assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    "text", ["\\begin", "x, \\begin{", "\\begin{cases}", "\\mathbb", "|", "\\sqrt[", "_", "^"]
)
def test_cut_notation_is_not_mathematics(text):
    with pytest.raises(NotMath):
        parse(text)


@settings(max_examples=150, deadline=2_000)
@given(st.text(alphabet="0123456789+-*/^_(){}[]|!%,.=<>\\ abcxyz$fracsqrtpimondegcup&:;'\"\n", max_size=80))
def test_fuzzed_text_never_raises_anything_unexpected(text):
    assert prepare(CheckRequest(text, "1")) is not None
    try:
        node = parse(text)
        same(node, parse("x+1"))
    except NotMath:
        pass


@settings(max_examples=100, deadline=2_000)
@given(st.text(max_size=60), st.text(max_size=60))
def test_any_unicode_is_prepared(response, gold):
    settled = prepare(CheckRequest(response, gold))
    assert isinstance(settled, Prepared) or settled.verdict


@pytest.mark.parametrize("workers", [1, 3])
def test_verdicts_do_not_depend_on_workers_or_order(workers):
    pairs = [(f"{i % 5}+x", f"x+{i % 7}") for i in range(30)] + [
        ("\\{1,2\\}", "2, 1"),
        ("(0,1]", "0 < t \\le 1"),
    ]
    requests = [CheckRequest(f"\\boxed{{{a}}}", g) for g, a in pairs]
    with Verifier(VerifySection(workers=workers)) as verifier:
        forward = [r.verdict for r in verifier.check_many(requests)]
        backward = [r.verdict for r in verifier.check_many(requests[::-1])][::-1]
    assert (
        forward
        == backward
        == [
            "correct" if g.split("+")[0] == a.split("+")[-1] or g[0] in "\\(" else "incorrect"
            for g, a in pairs
        ]
    )
