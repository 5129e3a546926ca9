"""What a run looks like: the HTML report, the local viewer, and the life of a single row."""

from __future__ import annotations

from pathlib import Path


def build_report(run: Path, *, out: Path | None = None, against: Path | None = None) -> Path:
    """Write `report.html` of a run from whatever tables it has; see `factory.report.build.build_report`."""
    from factory.report import build

    return build.build_report(run, out=out, against=against)
