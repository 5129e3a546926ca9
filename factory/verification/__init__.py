"""Verification: does a response reach the gold answer, and how do we know.

    answer part of a response ─ extraction ─ extracted answer ─┐
                                                               ├─ checker of the answer kind ─ verdict
    gold answer ───────────────────────────── canonical form ─┘

Checks that are not decided at a glance run in worker processes that are killed at their limit (`Verifier`), because
model output is hostile input. Nothing in a response is ever evaluated as code, apart from code answers, which run in
a sandbox.

The package imports nothing heavy, so that worker processes start quickly; `verify_responses` loads polars when used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from factory.verification.check import check
from factory.verification.pool import Verifier
from factory.verification.result import CHECKER_VERSION, CheckRequest, CheckResult, Method

if TYPE_CHECKING:
    from factory.verification.responses import verify_responses

__all__ = (
    "CHECKER_VERSION", "CheckRequest", "CheckResult", "Method", "Verifier", "check", "verify_responses",
)  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "verify_responses":
        from factory.verification.responses import verify_responses

        return verify_responses
    raise AttributeError(name)
