"""How a job is cut into shards, and the budget of a worker that shares it with others."""

import asyncio
import math

from hypothesis import given
from hypothesis import strategies as st

from factory.sampling.budget import Extension, SharedBudget
from factory.sampling.presets import Prices
from factory.sampling.sampler import Completion, SampleRequest, SamplingParams
from factory.sampling.store.journal import request_key
from factory.sampling.store.journals import journal_name
from factory.sampling.store.leases import Leases
from factory.sampling.store.money import Money
from factory.sampling.store.worker_locks import take_seat
from factory.steps.generate_shard import concurrency_of, shard_of
from schemas import ResponseStatus


@given(st.integers(1, 2_000), st.integers(1, 200))
def test_concurrency_is_shared_out_whole(total, of):
    parts = [concurrency_of(total, number, of) for number in range(of)]
    assert min(parts) >= 1
    assert sum(parts) == max(total, of)
    assert max(parts) - min(parts) <= 1


def test_shards_are_even_and_depend_on_the_request_alone():
    keys = [request_key({"prompt": i}) for i in range(8_000)]
    counts = [0] * 8
    for key in keys:
        counts[shard_of(key, 8)] += 1
    assert max(abs(count - 1_000) for count in counts) < 150
    assert [shard_of(key, 8) for key in keys] == [
        shard_of(request_key({"prompt": i}), 8) for i in range(8_000)
    ]


def request(tokens=100):
    return SampleRequest("q", 0, ({"role": "user", "content": "x"},), SamplingParams(max_tokens=tokens))


def budget(folder, number, cap=Money(math.inf, 1_000)):
    journal = journal_name(number)
    leases = Leases(folder, "job", journal, take_seat(folder, journal), cap, lambda name: (0.0, 0))
    return SharedBudget(leases, prices=Prices(1, 1, ""), spent_usd=0.0, spent_tokens=0)


def answer(tokens):
    return Completion(None, "x", ResponseStatus.COMPLETE, completion_tokens=tokens, usd=0.0)


def test_two_workers_use_a_budget_up_and_then_know_that_no_more_comes(tmp_path):
    async def work():
        ours = [budget(tmp_path, 0), budget(tmp_path, 1)]
        held, sent, found = [], 0, [None, None]
        for turn in range(200):
            me = turn % 2
            one = request()
            while not (reserved := ours[me].try_reserve(one)):
                found[me] = await ours[me].extend(one)
                if found[me] != Extension.GRANTED:
                    break
            if reserved:
                held.append((ours[me], one))
                sent += 1
            assert sum(each.tokens + each.reserved_tokens for each in ours) <= 1_000
            if len(held) >= 4 or not reserved:
                for each, one in held:
                    each.settle(one, answer(60))
                held = []
        for each in ours:
            each.leave()
        return sent, found, sum(each.tokens for each in ours)

    sent, found, tokens = asyncio.run(work())
    assert found == [Extension.NEVER, Extension.NEVER]
    assert tokens == 60 * sent
    assert tokens + 100 > 1_000 >= tokens


def test_a_worker_that_holds_idle_money_gives_it_to_the_one_who_starves(tmp_path):
    async def work():
        rich, poor = budget(tmp_path, 0), budget(tmp_path, 1)
        one, other = request(100), request(900)
        assert await rich.extend(one) == Extension.GRANTED
        assert rich.try_reserve(one)
        assert await poor.extend(other) == Extension.LATER

        async def wait():
            while await poor.extend(other) != Extension.GRANTED:
                await asyncio.sleep(0.05)

        await rich.beside(asyncio.wait_for(wait(), 10))
        assert poor.try_reserve(other)
        rich.settle(one, answer(100))
        rich.leave()
        poor.leave()

    asyncio.run(work())
