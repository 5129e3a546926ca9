"""What decides a checked answer, for the key of every step that checks answers."""

from __future__ import annotations

from typing import Any

from factory.config.verify import VerifySection
from factory.verification.result import CHECKER_VERSION


def checking(section: VerifySection) -> dict[str, Any]:
    """The settings and the version of the rules that decide a verdict: every step that checks answers has them in its key."""
    return {"seconds": section.seconds, "checker": CHECKER_VERSION}
