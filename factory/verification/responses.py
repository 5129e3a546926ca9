"""Verdicts for a table of responses: which columns hold gold and response, and what a re-verification changed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from factory.config.verify import VerifySection
from factory.errors import UsageError
from factory.sources.columns import holds_messages, last_answer, message_text
from factory.verification.check import read_metadata
from factory.verification.code_tests import HELP_COLUMNS, TEST_COLUMNS, read_suite
from factory.verification.extraction import split_reasoning
from factory.verification.pool import Verifier
from factory.verification.result import CHECKER_VERSION, CheckRequest, CheckResult, Method
from schemas.response import ResponseStatus
from schemas.verdict import VERDICT_COLUMNS, Verdict

GOLD = ("answer", "gold")
CHATS = ("messages", "conversations")
RESPONSE = ("content", "response", "prediction", "completion", *CHATS)


def as_responses(rows: pl.DataFrame, where: object = "the input", *, needs_gold: bool = True) -> pl.DataFrame:
    """The rows with `answer`, `reasoning` and `content` as verification reads them; other columns stay.

    Think tags in a `response`, `prediction` or `completion` are split into `reasoning` and `content`. Of chat messages
    the model's last is the response, and the user's are the problem where there is no other.

    Raises:
        UsageError: there is no column with the gold (where one is needed) or none with the response.
    """
    if not set(GOLD) & set(rows.columns) and (set(TEST_COLUMNS) & set(rows.columns) or not needs_gold):
        rows = rows.with_columns(
            answer=pl.lit(None, pl.String)
        )  # tests, or a checker of the user's own, stand in
    gold = next((name for name in GOLD if name in rows.columns), None)
    text = next((name for name in RESPONSE if name in rows.columns), None)
    if gold is None or text is None:
        wanted = (
            "a gold answer (`answer` or `gold`)"
            if gold is None
            else "a response (`content`, `response`, `prediction` or `messages`)"
        )
        there = ", ".join(rows.columns) or "none, it holds no rows"
        raise UsageError(
            f"{where} has no column with {wanted}; columns there: {there}",
            do="rename the column"
            + (", or check by a function of your own: --checker FILE.py:FUNCTION" if gold is None else ""),
        )
    chat = next((name for name in ("prompt", *CHATS) if _is_chat(rows, name)), None)
    if chat is not None and "problem" not in rows.columns:
        rows = rows.with_columns(message_text(rows.get_column(chat), asked=True).alias("problem"))
    answers = pl.Series(
        "answer", [as_text(value) for value in rows.get_column(gold).to_list()], dtype=pl.String
    )
    if text == "content":
        return rows.with_columns(answers)
    said = last_answer(rows.get_column(text)).to_list()
    halves = [split_reasoning(as_text(value) or "") for value in said]
    contents = pl.Series("content", [content for _, content in halves], dtype=pl.String)
    rows = rows.with_columns(answers, contents)
    if "reasoning" not in rows.columns:
        rows = rows.with_columns(pl.Series("reasoning", [thought for thought, _ in halves], dtype=pl.String))
    return rows


def _is_chat(rows: pl.DataFrame, name: str) -> bool:
    return name in rows.columns and holds_messages(rows.get_column(name).dtype)


def as_text(value: Any) -> str | None:
    """An answer cell as text: numbers as written, lists joined by commas."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, list | tuple):
        return ", ".join(as_text(item) or "" for item in value)
    return str(value)


_NO_ANSWER = {
    ResponseStatus.CUT_IN_REASONING: "cut before an answer was given",
    ResponseStatus.EMPTY: "empty response",
    ResponseStatus.FAILED: "the request failed",
}
_TYPES = {
    "verdict": pl.String,
    "extracted": pl.String,
    "method": pl.String,
    "gold_canonical": pl.String,
    "extracted_canonical": pl.String,
    "verdict_reason": pl.String,
    "checker_version": pl.String,
    "judged": pl.Boolean,
    "verify_seconds": pl.Float64,
    "confidence": pl.Float64,
}
assert list(_TYPES) == [column.name for column in VERDICT_COLUMNS]


def verify_responses(
    responses: pl.DataFrame, settings: VerifySection | None = None, *, verifier: Verifier | None = None
) -> pl.DataFrame:
    """Add the verdict columns (schemas/verdict.py) to a table of responses.

    Args:
        responses: rows with `answer`, and `content` or `response`; `reasoning`, `status`, `answer_kind`, `choices`
            and `metadata` are used when there. Former verdict columns are replaced.
        settings: workers and seconds.
        verifier: an open pool to use instead of one of its own.

    Returns:
        The same rows in the same order, with verdict columns and with `answer_kind` filled in where it was null.
    """
    settings = settings or VerifySection()
    scope = nullcontext(verifier) if verifier is not None else Verifier(settings)
    with scope as pool:
        requests = list(requests_of(responses, whole=pool.own is not None))
        checked = iter(pool.check_many([r for r in requests if isinstance(r, CheckRequest)]))
    results = [r if isinstance(r, CheckResult) else next(checked) for r in requests]
    return with_verdicts(responses, results, pool.version)


def requests_of(responses: pl.DataFrame, *, whole: bool = False) -> Iterator[CheckRequest | CheckResult]:
    """One check a row, or its result where the response's status leaves nothing to check; `whole` keeps all columns."""
    own = (
        "content",
        "response",
        "status",
        "answer",
        "answer_kind",
        "choices",
        "metadata",
        "problem",
        "options",
    )
    names = (*own, *TEST_COLUMNS, *HELP_COLUMNS)
    there = [name for name in (responses.columns if whole else names) if name in responses.columns]
    columns = {name: responses.get_column(name).to_list() for name in there}
    for index in range(responses.height):
        row = {name: values[index] for name, values in columns.items()}
        asked = _request(row)
        yield replace(asked, row=row) if whole and isinstance(asked, CheckRequest) else asked


def _request(row: dict[str, Any]) -> CheckRequest | CheckResult:
    status = row.get("status")
    if status in _NO_ANSWER:
        return CheckResult(
            Verdict.NO_ANSWER,
            Method.EXTRACTION,
            reason=_NO_ANSWER[ResponseStatus(status)],
            answer_kind=row.get("answer_kind"),
        )
    text = row["content"] if row.get("content") is not None else row.get("response")
    if status == ResponseStatus.CUT_IN_ANSWER and "\\boxed{" not in (text or ""):
        return CheckResult(
            Verdict.NO_ANSWER,
            Method.EXTRACTION,
            reason="cut within the answer",
            answer_kind=row.get("answer_kind"),
        )
    choices, metadata = row.get("choices"), row.get("metadata")
    return CheckRequest(
        text or "",
        None if row.get("answer") is None else str(row["answer"]),
        row.get("answer_kind"),
        _options(choices) or _options(row.get("options")),
        _with_tests(row, metadata if isinstance(metadata, str) else None),
        row.get("problem"),
    )


def _options(choices: Any) -> tuple[str, ...] | None:
    """Option texts in order: of a list, or of a dictionary from letters to texts."""
    if isinstance(choices, dict):
        choices = [text for _, text in sorted(choices.items()) if text is not None]
    if not isinstance(choices, list | tuple) or not choices:
        return None
    return tuple(str(text) for text in choices)


def _with_tests(row: dict[str, Any], metadata: str | None) -> str | None:
    """Metadata with the tests that stand in columns of their own."""
    if not any(row.get(name) is not None for name in TEST_COLUMNS):
        return metadata
    columns = {name: row[name] for name in (*TEST_COLUMNS, *HELP_COLUMNS) if row.get(name) is not None}
    if read_suite(columns) is None:
        return metadata
    return json.dumps({**read_metadata(metadata), **columns}, default=str)


def with_verdicts(
    responses: pl.DataFrame, results: list[CheckResult], version: str = CHECKER_VERSION
) -> pl.DataFrame:
    """The rows with their results as verdict columns; `version` is what decided."""
    columns = {
        "verdict": [str(r.verdict) for r in results],
        "extracted": [_clean(r.extracted) for r in results],
        "method": [str(r.method) for r in results],
        "gold_canonical": [_clean(r.gold_canonical) for r in results],
        "extracted_canonical": [_clean(r.extracted_canonical) for r in results],
        "verdict_reason": [_clean(r.reason) for r in results],
        "checker_version": [version] * len(results),
        "judged": [r.method is Method.JUDGE for r in results],
        "verify_seconds": [r.seconds for r in results],
        "confidence": [r.confidence for r in results],
    }
    added = pl.DataFrame(columns, schema=_TYPES)
    kinds = pl.Series("answer_kind", [r.answer_kind for r in results], dtype=pl.String)
    if "answer_kind" in responses.columns:
        kinds = responses.get_column("answer_kind").cast(pl.String).fill_null(kinds)
    kept = responses.drop([name for name in (*_TYPES, "answer_kind") if name in responses.columns])
    order = [name for name in responses.columns if name not in _TYPES]
    whole = kept.with_columns(kinds).hstack(added)
    head = [name for name in order if name in whole.columns] or []
    return whole.select([*head, *([] if "answer_kind" in head else ["answer_kind"]), *_TYPES])


def _clean(text: str | None) -> str | None:
    """Text that can be stored: no lone surrogates."""
    return None if text is None else text.encode("utf-8", "replace").decode("utf-8")


EXAMPLES = 20


@dataclass(slots=True)
class Flips:
    """Verdicts that changed: how often, and a few of them with the reasons."""

    compared: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    examples: list[dict[str, Any]] = field(default_factory=list)

    def add(self, before: pl.DataFrame, after: pl.DataFrame) -> None:
        """Compare two tables of the same rows; rows without a former verdict do not count."""
        if "verdict" not in before.columns:
            return
        key = next((name for name in ("response_id", "id", "problem_id") if name in after.columns), None)
        former = before.select(
            "verdict", *(n for n in ("method", "checker_version") if n in before.columns)
        ).to_dicts()
        names = ["verdict", "method", "extracted", "answer", "verdict_reason", *([key] if key else [])]
        for was, now in zip(former, after.select(names).iter_rows(named=True), strict=True):
            if was["verdict"] is None:
                continue
            self.compared += 1
            if was["verdict"] != now["verdict"]:
                self._count(was, now, str(now[key]) if key else None)

    def _count(self, was: dict[str, Any], now: dict[str, Any], name: str | None) -> None:
        self.counts[f"{was['verdict']} to {now['verdict']}"] += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(
                {
                    "id": name,
                    "was": f"{was['verdict']} ({was.get('method')}, checker {was.get('checker_version')})",
                    "now": f"{now['verdict']} ({now['method']})",
                    "gold": (now["answer"] or "")[:80],
                    "answer": (now["extracted"] or "")[:80],
                    "why": now["verdict_reason"],
                }
            )

    def totals(self) -> dict[str, Any]:
        """For the manifest; empty when nothing could be compared."""
        if not self.compared:
            return {}
        return {
            "flips": {
                "compared": self.compared,
                "counts": dict(sorted(self.counts.items())),
                "examples": self.examples,
            }
        }
