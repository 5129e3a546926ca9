"""Numbers as people read them, in report, viewer and card alike."""

from __future__ import annotations

from typing import Any


def number(value: Any) -> str:
    """Thousands separated, at most four significant digits after the point; `-` for none.

    A float of 2^53 or more, whose last digits mean nothing, has an exponent.
    """
    if value is None or value != value:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    value = float(value)
    if value.is_integer() and abs(value) < 2**53:
        return f"{int(value):,}"
    return f"{value:,.4g}" if abs(value) < 1000 or abs(value) >= 2**53 else f"{value:,.1f}"


def percent(part: float, whole: float) -> str:
    """`part` of `whole` as a percentage; a dash when there is no whole."""
    return f"{100 * part / whole:.1f}%" if whole else "–"


def dollars(value: float | None) -> str:
    """US dollars with as many digits as the amount needs."""
    if value is None:
        return "–"
    return f"${value:,.2f}" if value >= 1 or value == 0 else f"${value:.6f}".rstrip("0")
