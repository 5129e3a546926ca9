"""Which licences let rows be passed on, and what the teachers' makers ask of those who use their output.

A licence is judged by its name alone: this is a guard against mistakes, not legal advice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

FORBIDS = re.compile(
    r"\bnd\b|no[- ]?deriv|all rights reserved|proprietary|no[- ]redistribut|non[- ]?redistribut|not redistribut"
    r"|do not (re)?distribute|research[- ]only|confidential|internal use",
    re.IGNORECASE,
)
"""Names of licences under which changed copies must not be passed on."""
UNSTATED = re.compile(r"^\s*(none|unknown|n/?a|null|-|\?)?\s*$|^none (in|at|stated)", re.IGNORECASE)
"""What stands for no licence at all."""

KNOWN: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("MIT", "mit", ("expat",)),
    ("Apache-2.0", "apache-2.0", ("asl 2.0",)),
    ("BSD-2-Clause", "bsd-2-clause", ("simplified bsd", "freebsd")),
    ("BSD-3-Clause", "bsd-3-clause", ("new bsd", "modified bsd", "revised bsd")),
    ("CC0-1.0", "cc0-1.0", ("cc0", "creative commons zero")),
    *(
        (f"CC-BY{kind}-{version}".upper(), f"cc-by{kind}-{version}", (f"by{kind} {version}",))
        for kind in ("", "-sa", "-nc", "-nc-sa", "-nd", "-nc-nd")
        for version in ("2.0", "2.5", "3.0", "4.0")
    ),
    ("ODC-By-1.0", "odc-by", ()),
    ("ODbL-1.0", "odbl", ("odc odbl", "odc odbl 1.0")),
    ("PDDL-1.0", "pddl", ("odc pddl",)),
    ("CDLA-Permissive-1.0", "cdla-permissive-1.0", ()),
    ("CDLA-Permissive-2.0", "cdla-permissive-2.0", ()),
    ("CDLA-Sharing-1.0", "cdla-sharing-1.0", ()),
    ("GPL-2.0-only", "gpl-2.0", ()),
    ("GPL-2.0-or-later", "gpl-2.0", ("gpl 2+",)),
    ("GPL-3.0-only", "gpl-3.0", ()),
    ("GPL-3.0-or-later", "gpl-3.0", ("gpl 3+",)),
    ("AGPL-3.0-only", "agpl-3.0", ()),
    ("AGPL-3.0-or-later", "agpl-3.0", ("agpl 3+",)),
    ("LGPL-2.1-only", "lgpl-2.1", ()),
    ("LGPL-3.0-only", "lgpl-3.0", ()),
    ("MPL-2.0", "mpl-2.0", ("mozilla public 2.0",)),
    ("EPL-2.0", "epl-2.0", ("eclipse public 2.0",)),
    ("EUPL-1.2", "eupl-1.2", ()),
    ("etalab-2.0", "etalab-2.0", ()),
    ("ISC", "isc", ()),
    ("Unlicense", "unlicense", ()),
    ("Zlib", "zlib", ()),
    ("WTFPL", "wtfpl", ()),
    ("Artistic-2.0", "artistic-2.0", ()),
    ("BSL-1.0", "bsl-1.0", ("boost software 1.0",)),
    ("MS-PL", "ms-pl", ()),
    ("OSL-3.0", "osl-3.0", ()),
    ("OFL-1.1", "ofl-1.1", ()),
    ("PostgreSQL", "postgresql", ()),
    ("NCSA", "ncsa", ()),
    ("LPPL-1.3c", "lppl-1.3c", ()),
)
"""Identifier on the SPDX licence list (spdx.org/licenses), the Hub's (hf.co/docs/hub/repositories-licenses), other names."""
HUB_HAS_NOT = {
    "cc-by-sa-2.0", "cc-by-sa-2.5", "cc-by-nc-2.5", "cc-by-nc-sa-2.5", "cc-by-nd-2.0", "cc-by-nd-2.5", "cc-by-nd-3.0",
    "cc-by-nc-nd-2.0", "cc-by-nc-nd-2.5",
}  # fmt: skip
"""Versions of Creative Commons for which the Hub has no identifier."""
PHRASES = {
    "creative commons": "cc",
    "creativecommons": "cc",
    "open data commons": "odc",
    "open database": "odbl",
    "attribution": "by",
    "sharealike": "sa",
    "share alike": "sa",
    "noncommercial": "nc",
    "non commercial": "nc",
    "noderivatives": "nd",
    "noderivs": "nd",
    "no derivatives": "nd",
    "affero general public": "agpl",
    "lesser general public": "lgpl",
    "general public": "gpl",
    "or later": "+",
    "or any later": "+",
    "zero": "0",
    "gplv": "gpl",
    "agplv": "agpl",
    "lgplv": "lgpl",
}
FILLERS = {
    "the", "license", "licence", "licenses", "version", "v", "international", "universal", "unported", "generic", "only",
    "gnu", "public", "domain", "publicdomain", "dedication", "deed", "legalcode", "en", "html", "txt", "http", "https",
    "www", "org", "opensource", "opendatacommons",
}  # fmt: skip
"""Words of a licence's name or address that do not tell it from others."""


def _words(name: str) -> frozenset[str]:
    """`Creative Commons Attribution 4.0 International`, `CC-BY-4.0` and `cc by 4` have the same words: by, cc, 4."""
    words = re.findall(r"[a-z]+|\d+(?:\.\d+)*|\+", name.lower())
    text = f" {' '.join(word.removesuffix('.0') for word in words)} "
    for phrase, short in PHRASES.items():
        text = text.replace(f" {phrase} ", f" {short} ")
    return frozenset(text.split()) - FILLERS


@lru_cache(1)
def _known() -> dict[frozenset[str], tuple[str, str]]:
    known: dict[frozenset[str], tuple[str, str]] = {}
    for spdx, hub, names in KNOWN:
        for name in (spdx, hub, *names):
            known.setdefault(_words(name), (spdx, hub))
    return known


def spdx_licence(licence: str | None) -> str | None:
    """The identifier on the SPDX licence list, or None when the spelling is not known."""
    return _known().get(_words(licence or ""), (None, None))[0]


def is_stated(licence: str | None) -> bool:
    """Whether it names a licence at all."""
    return licence is not None and not UNSTATED.search(licence)


def refusal(licence: str | None) -> str | None:
    """Why rows under this licence must not be published, or None when they may be."""
    if licence is None or not is_stated(licence):
        return "states no licence"
    if FORBIDS.search(licence):
        return f"has the licence {licence!r}, which does not allow changed copies to be passed on"
    return None


def hub_licence(licences: list[str | None]) -> str:
    """The Hub's identifier when all rows share one known licence, else `other` (the card lists them all)."""
    found = {_known().get(_words(licence or ""), ("", "other"))[1] for licence in licences}
    return "other" if len(found) != 1 or found & HUB_HAS_NOT else found.pop()


@dataclass(frozen=True, slots=True)
class Terms:
    """What a model's maker says about using its output to train other models."""

    terms: str
    source: str


_TERMS: tuple[tuple[str, Terms], ...] = (
    (
        r"procedural",
        Terms("Written by code of the factory; no model and no foreign terms.", "factory/sampling"),
    ),
    (
        r"deepseek.*r1|deepseek-reasoner",
        Terms(
            'MIT; derivative works, "including, but not limited to, distillation for training other LLMs", are allowed.',
            "github.com/deepseek-ai/DeepSeek-R1, section License",
        ),
    ),
    (r"qwq|qwen3", Terms("Apache-2.0.", "the model's own licence file")),
    (r"gpt-oss", Terms("Apache-2.0.", "the model's own licence file")),
    (
        r"^(gpt-|o\d|chatgpt)",
        Terms(
            "The maker's terms forbid using output to develop models that compete with its own.",
            "the maker's terms of use, read them before publishing",
        ),
    ),
    (r"^(student|tiny)", Terms("Trained in this run; the base model's licence applies.", "train/base")),
)


def teacher_terms(model: str) -> Terms:
    """What is known about a model's terms; says so when nothing is."""
    for pattern, terms in _TERMS:
        if re.search(pattern, model, re.IGNORECASE):
            return terms
    return Terms("Not known to the factory: read the model's licence before you use or publish this.", "-")
