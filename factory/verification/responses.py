"""Verdicts for a table of responses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import polars as pl

from factory.config.verify import VerifySection
from factory.verification.code_tests import HELP_COLUMNS, TEST_COLUMNS, read_suite
from factory.verification.kinds import read_metadata
from factory.verification.pool import Verifier
from factory.verification.result import CHECKER_VERSION, CheckRequest, CheckResult, Method
from schemas.response import ResponseStatus
from schemas.verdict import VERDICT_COLUMNS, Verdict

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
        requests = list(requests_of(responses))
        checked = iter(pool.check_many([r for r in requests if isinstance(r, CheckRequest)]))
    results = [r if isinstance(r, CheckResult) else next(checked) for r in requests]
    return with_verdicts(responses, results)


def requests_of(responses: pl.DataFrame) -> Iterator[CheckRequest | CheckResult]:
    """One check a row, or its result where the response's status leaves nothing to check."""
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
    columns = {name: responses.get_column(name).to_list() for name in names if name in responses.columns}
    for index in range(responses.height):
        row = {name: values[index] for name, values in columns.items()}
        yield _request(row)


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


def with_verdicts(responses: pl.DataFrame, results: list[CheckResult]) -> pl.DataFrame:
    """The rows with their results as verdict columns."""
    columns = {
        "verdict": [str(r.verdict) for r in results],
        "extracted": [_clean(r.extracted) for r in results],
        "method": [str(r.method) for r in results],
        "gold_canonical": [_clean(r.gold_canonical) for r in results],
        "extracted_canonical": [_clean(r.extracted_canonical) for r in results],
        "verdict_reason": [_clean(r.reason) for r in results],
        "checker_version": [CHECKER_VERSION] * len(results),
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
