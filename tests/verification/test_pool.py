import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from factory.config.verify import VerifySection
from factory.engines.framed import Late, Lost
from factory.verification import CheckRequest, Verifier
from factory.verification.check import Prepared
from factory.verification.pool import _result
from factory.verification.result import Method
from schemas.verdict import Verdict


def test_results_keep_the_order_of_requests():
    requests = [CheckRequest(f"so \\boxed{{x+{i}}}", gold=f"{i % 7}+x") for i in range(40)]
    with Verifier(VerifySection(workers=2)) as verifier:
        results = verifier.check_many(requests)
    assert [r.correct for r in results] == [i == i % 7 for i in range(40)]


def test_easy_matches_start_no_worker():
    with Verifier(VerifySection(workers=2)) as verifier:
        results = verifier.check_many(
            [CheckRequest("\\boxed{0.5}", gold="1/2"), CheckRequest("It is 7.", gold="8")]
        )
        assert verifier._idle.empty() and verifier._threads is None
    assert [r.verdict for r in results] == [Verdict.CORRECT, Verdict.INCORRECT]


def test_a_checker_that_dies_or_is_late_leaves_its_answer_undecided():
    item = Prepared("math", "1", "2")
    dead, late = _result(item, Lost("killed")), _result(item, Late(0.5, "0.1 s"))
    assert (dead.verdict, dead.method, dead.extracted) == (Verdict.UNVERIFIABLE, Method.LIMIT, "2")
    assert (late.verdict, late.method, late.extracted) == (Verdict.TIMEOUT, Method.LIMIT, "2")


def test_check_works_off_the_main_thread():
    seen = []
    with Verifier(VerifySection(workers=1)) as verifier:
        request = CheckRequest("\\boxed{x+1}", gold="1+x")
        threads = [
            threading.Thread(target=lambda: seen.append(verifier.check(request).verdict)) for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert seen == [Verdict.CORRECT] * 3


SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "verifier"


@pytest.mark.skipif(not SHARED.is_dir(), reason="labelled answers are not here (shared/data/verifier)")
def test_verdicts_are_the_same_for_1_and_8_workers_in_any_order_in_and_off_the_main_thread():
    requests = []
    for name in ("hardverify_math", "math_verify_tests"):
        rows = map(json.loads, (SHARED / f"{name}.jsonl").read_text("utf-8").splitlines())
        requests += [CheckRequest(r["prediction"], r["gold"], problem=r.get("question")) for r in rows]
    order = list(range(len(requests)))
    random.Random(3).shuffle(order)

    def verdicts(workers, order):
        with Verifier(VerifySection(workers=workers)) as verifier:
            found = verifier.check_many([requests[i] for i in order])
        return {i: replace(r, seconds=0) for i, r in zip(order, found, strict=True)}

    one = verdicts(1, range(len(requests)))
    with ThreadPoolExecutor(1) as thread:
        eight = thread.submit(verdicts, 8, order).result()
    assert len(one) > 500 and one == eight


def test_a_killed_worker_is_replaced_and_the_rest_still_decided():
    requests = [CheckRequest(f"\\boxed{{x+{i}}}", gold=f"{i}+x") for i in range(8)]
    with Verifier(VerifySection(workers=1)) as verifier:
        verifier.check(requests[0])
        worker = verifier._idle.get_nowait()
        worker.process.kill()
        worker.process.wait()
        verifier._idle.put(worker)
        results = verifier.check_many(requests)
        assert verifier.replaced == 1
    assert [r.verdict for r in results] == [Verdict.CORRECT] * 8


def test_a_closed_verifier_says_so():
    verifier = Verifier(VerifySection(workers=1))
    verifier.close()
    with pytest.raises(RuntimeError, match="closed"):
        verifier.check(CheckRequest("\\boxed{x+1}", gold="1+x"))
