"""Buying beside another process."""

import asyncio

from factory.sampling.http import HttpSampler
from factory.sampling.limits import AdaptiveLimit
from factory.sampling.presets import PRESETS
from factory.sampling.problems import iter_problems, planned, then_hang_up
from factory.sampling.purchase import addressed, purchase
from factory.sampling.rows import to_stored
from factory.sampling.sampler import Completion, SamplingParams
from factory.sampling.schedule import Schedule
from factory.sampling.store.journal import ResponseStore
from schemas import ResponseStatus


def test_what_another_process_buys_is_counted_while_we_buy_the_rest(serve, problems, tmp_path, monkeypatch):
    monkeypatch.setattr("factory.sampling.purchase.LOOK_AGAIN_SECONDS", 0.0)
    sampler = HttpSampler(PRESETS["vllm"], "m", [serve().url])
    params = SamplingParams(max_tokens=30)

    def wanted():
        return planned(iter_problems(problems(8)), 1, params, prompt="{problem}", system=None)

    with ResponseStore(tmp_path) as ours, ResponseStore(tmp_path) as theirs:
        first = next(addressed(wanted(), sampler))
        # Claims are the kernel's, by process: one within this process is told by the same set.
        ours._claimed.add(first.key)
        order = []

        def seen(request, completion, bought):
            order.append((request.problem_id, bought))
            if len(order) == 3:
                done = Completion("r", "c", ResponseStatus.COMPLETE, "stop", 1, 1)
                stored = to_stored(first.key, first.request_key, first.request, done, sampler)
                theirs.submit(stored).result()

        schedule = Schedule(limit=AdaptiveLimit(fixed=1))
        tally = asyncio.run(
            then_hang_up(purchase(wanted(), sampler, ours, schedule=schedule, seen=seen), sampler)
        )
    assert (tally.bought, tally.reused) == (7, 1)
    assert ("q0", False) in order[3:6], "not only at the very end"
    assert len(order) == 8
