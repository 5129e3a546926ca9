"""Functions of the user's own, as a recipe names them: `mychecks.py:is_right`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

REFERENCE = re.compile(r"(.+\.py):([A-Za-z_]\w*)", re.S)
"""A file and the function in it."""


def _is_reference(text: str) -> str:
    if not REFERENCE.fullmatch(text):
        raise ValueError(f"{text} is not of the form FILE.py:FUNCTION (docs/own-functions.md)")
    return text


Function = Annotated[str, AfterValidator(_is_reference)]
"""`FILE.py:FUNCTION`; the path is read from the current folder, like every path of a recipe."""
