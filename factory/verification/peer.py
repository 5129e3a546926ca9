"""math-verify, asked about a bounded answer without its own timeouts (the worker is killed instead)."""

from __future__ import annotations

import logging


def math_verify_says(gold: str, answer: str) -> bool | None:
    """Whether math-verify takes `answer` for `gold`; None when it cannot read one of them.

    Only its LaTeX reader is used: its reader of plain expressions goes through `sympy.parse_expr`, which evaluates
    Python.
    """
    from math_verify import LatexExtractionConfig, parse, verify

    logging.getLogger("math_verify").setLevel(logging.ERROR)
    config = [LatexExtractionConfig()]
    want = parse(f"${gold}$", config, fallback_mode="no_fallback", parsing_timeout=None)
    got = parse(f"${answer}$", config, fallback_mode="no_fallback", parsing_timeout=None)
    if not want or not got:
        return None
    return bool(verify(want, got, timeout_seconds=None))
