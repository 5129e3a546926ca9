import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.recipe.verify import VerifySection
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


def test_hostile_answers_end_in_time_and_execute_nothing(tmp_path):
    canary = tmp_path / "canary"
    texts = hostile(canary)
    requests = [CheckRequest(t, GOLD) for t in texts] + [CheckRequest(f"\\boxed{{{t}}}", GOLD) for t in texts]
    requests += [CheckRequest("\\boxed{3+x}", t) for t in texts]
    with Verifier(VerifySection(workers=1, seconds=SECONDS)) as verifier:
        results = verifier.check_many(requests)
    assert len(results) == len(requests)
    assert not any(result.correct for result in results)
    assert max(result.seconds for result in results) < SECONDS + 0.5
    assert not canary.exists()


def test_in_process_part_is_quick_whatever_the_text(tmp_path):
    for text in hostile(tmp_path / "canary"):
        for request in (CheckRequest(text, GOLD), CheckRequest(f"\\boxed{{{text}}}", "east")):
            began = time.process_time()
            prepare(request)
            assert time.process_time() - began < 0.5


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
