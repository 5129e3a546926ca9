"""What `factory status` knows, as Prometheus text (version 0.0.4): names by its conventions, units in the name.

The numbers are those of the terminal's last lines (`factory.sampling.session`) and of the progress line (`factory.progress.live`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Sample = tuple[str, dict[str, Any], float | None]
"""Metric, labels, value; None leaves the sample out."""

HELP = {
    "factory_step_rows_in": "Rows that a finished step took in.",
    "factory_step_rows_out": "Rows that a finished step gave out.",
    "factory_step_dropped_rows": "Rows that a finished step dropped, by reason.",
    "factory_step_duration_seconds": "Seconds that a finished step took.",
    "factory_progress_units": "Units that a running step has done.",
    "factory_progress_expected_units": "Units that a running step will have done at its end.",
    "factory_progress_units_per_second": "Units per second over the last half minute.",
    "factory_progress_remaining_seconds": "Seconds that are left at this rate.",
    "factory_progress_age_seconds": "Seconds since the running step was last heard of.",
    "factory_session_attempts_total": "Requests sent in the step's session, retries included.",
    "factory_session_failed_attempts_total": "Requests that failed, by kind.",
    "factory_session_responses_total": "Responses of the session by outcome.",
    "factory_session_truncated_responses_total": "Answered responses that were truncated.",
    "factory_session_tokens_total": "Tokens of the session's answers by type.",
    "factory_session_cost_dollars_total": "Dollars that the session cost; absent without a price.",
    "factory_session_duration_seconds": "Seconds of the session.",
    "factory_session_latency_seconds": "Seconds from sending a request to its whole answer, by quantile.",
    "factory_store_responses": "Responses in a response store, by status.",
    "factory_store_completion_tokens": "Completion tokens of the responses in a response store.",
    "factory_store_cost_dollars": "Dollars that the responses in a response store cost; absent without a price.",
    "factory_store_size_bytes": "Bytes of a response store on disk.",
}


def prometheus(status: Mapping[str, Any]) -> str:
    """The text for what `read_status` found."""
    found: dict[str, list[str]] = {name: [] for name in HELP}
    for name, labels, value in _samples(status):
        if value is not None:
            inside = ",".join(f'{key}="{_escaped(str(each))}"' for key, each in labels.items())
            found[name].append(f"{name}{{{inside}}} {float(value):.15g}")
    lines = []
    for name, samples in found.items():
        if samples:
            kind = "counter" if name.endswith("_total") else "gauge"
            lines += [f"# HELP {name} {HELP[name]}", f"# TYPE {name} {kind}", *samples]
    return "\n".join([*lines, ""])


def _samples(status: Mapping[str, Any]) -> Iterator[Sample]:
    for row in status["steps"]:
        labels = {"step": row["step"], "folder": row["folder"]}
        yield "factory_step_rows_in", labels, row["rows_in"]
        yield "factory_step_rows_out", labels, row["rows_out"]
        for reason, rows in row["dropped"].items():
            yield "factory_step_dropped_rows", labels | {"reason": reason}, rows
        yield "factory_step_duration_seconds", labels, row["seconds"]
        yield from _session(labels, row["session"])
    for row in status["running"]:
        labels = {"step": row["task"], "folder": row["folder"]}
        units = labels | {"unit": row["unit"]}
        yield "factory_progress_units", units, row["done"]
        yield "factory_progress_expected_units", units, row["total"]
        yield "factory_progress_units_per_second", units, row["rate"]
        yield "factory_progress_remaining_seconds", labels, row["seconds_left"]
        yield "factory_progress_age_seconds", labels, row["age"]
        yield from _session(labels, row.get("session"))
    for store in status["stores"]:
        for row in store["responses"]:
            names = ("sampler", "model", "status")
            labels = {"folder": store["folder"]} | {name: row[name] for name in names}
            yield "factory_store_responses", labels, row["responses"]
            yield "factory_store_completion_tokens", labels, row["completion_tokens"]
            yield "factory_store_cost_dollars", labels, row["usd"]
        yield "factory_store_size_bytes", {"folder": store["folder"]}, store["bytes"]


def _session(labels: dict[str, Any], facts: Mapping[str, Any] | None) -> Iterator[Sample]:
    """`Session.facts` of a step that ran, or runs."""
    if not facts:
        return
    yield "factory_session_attempts_total", labels, facts["attempts"]
    for kind, count in facts["broken"].items():
        yield "factory_session_failed_attempts_total", labels | {"kind": kind}, count
    for outcome in ("answered", "reused", "failed"):
        yield "factory_session_responses_total", labels | {"outcome": outcome}, facts[outcome]
    yield "factory_session_truncated_responses_total", labels, facts["truncated"]
    answer = max(0, facts["completion_tokens"] - facts["reasoning_tokens"])
    tokens = {"prompt": facts["prompt_tokens"], "reasoning": facts["reasoning_tokens"], "answer": answer}
    for kind, count in tokens.items():
        yield "factory_session_tokens_total", labels | {"type": kind}, count
    yield "factory_session_cost_dollars_total", labels, facts["usd"]
    yield "factory_session_duration_seconds", labels, facts["seconds"]
    for quantile, name in (("0.5", "latency_median"), ("0.95", "latency_p95")):
        yield "factory_session_latency_seconds", labels | {"quantile": quantile}, facts.get(name)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
