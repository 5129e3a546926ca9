"""math-verify, asked about a bounded answer without its own timeouts (the worker's own limit ends it instead)."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

off_the_clock: Callable[[], AbstractContextManager[None]] = nullcontext
"""Surrounds the loading of the library; a worker stops its timer meanwhile."""


def math_verify_says(gold: str, answer: str) -> bool | None:
    """Whether math-verify takes `answer` for `gold`; None when it cannot read one of them.

    Only its LaTeX reader is used: its reader of plain expressions goes through `sympy.parse_expr`, which evaluates
    Python. Sympy's cache and random points start anew, so that an answer does not depend on what was asked before.
    """
    if "math_verify" not in sys.modules:
        with off_the_clock():
            import math_verify  # noqa: F401
    from math_verify import LatexExtractionConfig, parse, verify
    from sympy.core.cache import clear_cache
    from sympy.core.random import seed

    logging.getLogger("math_verify").setLevel(logging.ERROR)
    clear_cache()
    seed(0)
    config = [LatexExtractionConfig()]
    want = parse(f"${gold}$", config, fallback_mode="no_fallback", parsing_timeout=None)
    got = parse(f"${answer}$", config, fallback_mode="no_fallback", parsing_timeout=None)
    if not want or not got:
        return None
    return bool(verify(want, got, timeout_seconds=None))
