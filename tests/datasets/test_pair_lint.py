"""The lint finds each bias that is put in, and nothing where there is none."""

import polars as pl
import pytest

from factory.datasets.pair_lint import Limits, lint_pairs

LIMITS = Limits(length_bias=0.5, format_bias=0.1, duplicates=0.01)


def table(chosen, rejected, prompts=None):
    said = lambda role, texts: [[{"role": role, "content": text}] for text in texts]  # noqa: E731
    prompts = prompts or [f"What is {i}?" for i in range(len(chosen))]
    return pl.DataFrame(
        {
            "prompt": said("user", prompts),
            "chosen": said("assistant", chosen),
            "rejected": said("assistant", rejected),
            "problem_id": [f"p{i}" for i in range(len(chosen))],
            "chosen_response_id": [f"c{i}" for i in range(len(chosen))],
            "rejected_response_id": [f"r{i}" for i in range(len(chosen))],
        }
    )


def texts(n, extra="", end=r"\boxed{1}"):
    return [f"<think>\ntake {i} and then {'on ' * (i % 7)}{extra}\n</think>\n\n{end}" for i in range(n)]


def failed(lint):
    return [check.name for check in lint.checks if not check.passed]


def test_pairs_without_bias_pass():
    lint = lint_pairs(table(texts(40), texts(40, end=r"\boxed{2}")), LIMITS, {"rl": 0})
    assert lint.passed
    assert failed(lint) == []
    shown = lint.to_dict()["distributions"]["length"]
    assert sum(shown["chosen"]) == sum(shown["rejected"]) == 40
    assert len(shown["edges"]) == len(shown["chosen"]) + 1


@pytest.mark.parametrize(
    ("chosen", "rejected", "name"),
    [
        (texts(40, extra="more " * 20), texts(40), "length bias"),
        (texts(40), texts(40, end="It is 12."), "format bias: boxed"),
        (texts(40), [t.replace("<think>", "I thnk:") for t in texts(40)], "format bias: reasoning"),
        (
            texts(40),
            texts(40, extra="我们先看看这个问题到底在说什么然后再想一想怎么办"),
            "format bias: same_language",
        ),
        (
            texts(40, extra="the reference answer"),
            texts(40, extra="some other result   "),
            "format bias: speaks_of_reference",
        ),
        ([texts(1)[0]] * 40, [texts(1)[0]] * 40, "duplicate chosen"),
    ],
)
def test_every_bias_is_found(chosen, rejected, name):
    lint = lint_pairs(table(chosen, rejected), LIMITS)
    assert name in failed(lint)
    check = next(check for check in lint.checks if check.name == name)
    assert check.worst, "the worst examples are shown"
    assert {"problem_id", "chosen", "rejected"} <= set(check.worst[0])


def test_chinese_answers_to_chinese_problems_are_no_bias():
    chosen = texts(10, extra="我们先看看这个问题到底在说什么然后再想一想怎么办")
    lint = lint_pairs(table(chosen, chosen[::-1], ["这个数是多少呢"] * 10), LIMITS)
    assert failed(lint) == []


def test_overlap_is_named():
    lint = lint_pairs(table(texts(4), texts(4)), LIMITS, {"selected/rl": 2})
    assert failed(lint) == ["overlap with selected/rl"]
