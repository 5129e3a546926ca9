"""Events out of bytes, retry dates, loops, prompts."""

import random

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.errors import UsageError
from factory.sampling.finish import LoopDetector, period
from factory.sampling.prompt import build_messages, check_fields
from factory.sampling.response_parser import EventBytes, Reply
from factory.sampling.retry import Endpoint, Endpoints, retry_after
from factory.sampling.truncation import beta


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=8),
    st.lists(st.integers(1, 9), min_size=1),
)
def test_events_do_not_depend_on_where_the_bytes_are_cut(texts, cuts):
    data = b"".join(b": keep-alive\n\ndata: " + orjson.dumps({"t": text}) + b"\r\n\n" for text in texts)
    events, reader, place, turn = [], EventBytes(), 0, 0
    while place < len(data):
        size = cuts[turn % len(cuts)]
        events += reader.feed(data[place : place + size])
        place, turn = place + size, turn + 1
    assert [orjson.loads(event)["t"] for _, event in events] == texts


def test_a_line_without_end_is_refused():
    reader = EventBytes(longest=1_000)
    with pytest.raises(ValueError, match="longer"):
        for _ in range(100):
            list(reader.feed(b"x" * 50))


def test_lone_surrogates_become_replacement_characters():
    reply = Reply()
    reply.feed(
        b'data: {"choices":[{"delta":{"content":"a\\ud83d b"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    )
    assert reply.completion().content == "a\ufffd b"


@pytest.mark.parametrize(
    "event",
    [
        b"[]",
        b'"text"',
        b"{",
        b'{"error": {"message": "x"}}',
    ],
)
def test_events_that_make_no_sense_are_errors(event):
    with pytest.raises(ValueError):
        Reply().feed(b"data: " + event + b"\n\n")


@pytest.mark.parametrize(
    "event",
    [
        {"choices": [{"delta": {"content": 5, "reasoning_content": ["x"]}, "finish_reason": "stop"}]},
        {"choices": [{"delta": None, "finish_reason": "stop"}], "usage": {"prompt_tokens": "many"}},
        {"choices": [{"finish_reason": "stop"}], "usage": {"completion_tokens_details": "none"}, "model": 5},
    ],
)
def test_fields_of_the_wrong_type_are_not_trusted(event):
    reply = Reply()
    reply.feed(b"data: " + orjson.dumps(event) + b"\n\n")
    reply.close()
    completion = reply.completion()
    assert completion.status == "empty"
    assert completion.prompt_tokens is None


def test_retry_after():
    assert retry_after({"Retry-After": "7"}) == 7
    assert retry_after({"Retry-After-Ms": "250"}) == 0.25
    skewed = {"Date": "Wed, 21 Oct 2015 07:28:00 GMT", "Retry-After": "Wed, 21 Oct 2015 07:28:30 GMT"}
    assert retry_after(skewed) == 30
    assert retry_after({"Retry-After": "Wed, 21 Oct 2015 07:28:30 GMT"}, now=0) > 1e9
    assert retry_after({"Retry-After": "soon"}) is None
    assert retry_after({"Retry-After": "-5"}) == 0
    assert retry_after({}) is None


def test_a_loop_is_found_and_honest_work_is_not():
    draw = random.Random(3)
    words = [draw.choice("abcdefgh") * draw.randint(1, 9) for _ in range(4_000)]
    honest = " ".join(words)
    steps = "".join(f"Step {i}: {i} + {i + 1} = {2 * i + 1}.\n" for i in range(2_000))
    for text in (honest, steps):
        detector = LoopDetector()
        assert not any(detector.feed(text[i : i + 7]) for i in range(0, len(text), 7))
    for piece in ("Wait, let me check again. ", "ha", "!", honest[:1_400]):
        detector = LoopDetector()
        looping = honest[:5_000] + piece * (12_000 // len(piece))
        fed = next((i for i in range(0, len(looping), 7) if detector.feed(looping[i : i + 7])), None)
        assert fed is not None
        assert fed < 5_000 + 9_000


@given(st.text(st.sampled_from("ab"), min_size=1, max_size=12), st.integers(60, 120))
def test_period_is_a_period(piece, times):
    text = piece * times
    found = period(text, least=128, longest=64)
    if len(text) >= 128:
        assert found is not None
        assert len(piece) % found == 0 or found <= len(piece)
        assert text[-128:][found:] == text[-128:][:-found]


def test_prompts():
    problem = {"problem": "What is {x} in \\frac{1}{2}?"}
    assert build_messages(problem, r"Put it in \boxed{{}}. {problem}")[-1]["content"] == (
        r"Put it in \boxed{}. What is {x} in \frac{1}{2}?"
    )
    assert build_messages(problem, r"\boxed{} {problem}")[-1]["content"].startswith(r"\boxed{} What")
    assert build_messages(problem, "{problem}", "Be brief.")[0] == {"role": "system", "content": "Be brief."}
    with_choices = build_messages({"problem": "Which?", "choices": ["one", "two"]}, "{problem}")
    assert with_choices[0]["content"] == "Which?\n\nA. one\nB. two"
    shown = build_messages({"problem": "Which? A) one B) two", "choices": ["one", "two"]}, "{problem}")
    assert shown[0]["content"] == "Which? A) one B) two"
    with pytest.raises(UsageError, match="has no"):
        check_fields(["no slot"], [problem])


@pytest.mark.parametrize(
    ("text", "url", "weight"),
    [
        ("http://h/v1", "http://h/v1/chat/completions", 1),
        ("http://h/v1=3", "http://h/v1/chat/completions", 3),
        ("http://h/v1=0.5", "http://h/v1/chat/completions", 0.5),
        ("http://h/v1?api-version=20240101", "http://h/v1/chat/completions?api-version=20240101", 1),
        ("http://h/v1?key=7&v=2", "http://h/v1/chat/completions?key=7&v=2", 1),
        ("http://h/v1?key=7&v=2=3", "http://h/v1/chat/completions?key=7&v=2", 3),
        ("http://h/v1?flag&v=2.5=4", "http://h/v1/chat/completions?flag&v=2.5", 4),
    ],
)
def test_digits_after_a_url_are_its_weight_and_in_a_query_its_value(text, url, weight):
    (endpoint,) = Endpoints([text]).all
    assert (endpoint.url, endpoint.weight) == (url, weight)


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/", "/beta"])
@pytest.mark.parametrize("query", ["", "?key=a/v1", "?key=7&x=/beta"])
def test_deepseeks_beta_endpoint_keeps_the_query(path, query):
    made = Endpoint(beta(f"https://api.deepseek.com{path}{query}"))
    assert made.url == f"https://api.deepseek.com/beta/chat/completions{query}"
