"""Which members of a family of cases run after every change."""

from collections.abc import Iterable
from typing import Any

import pytest


def mostly_long(cases: Iterable[Any], quick: int = 1) -> list[Any]:
    """The first `quick` cases as they are, the others marked `long`; for `parametrize`."""
    return [
        case
        if n < quick
        else pytest.param(*case if isinstance(case, tuple) else (case,), marks=pytest.mark.long)
        for n, case in enumerate(cases)
    ]
