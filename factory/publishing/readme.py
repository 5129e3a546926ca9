"""The README of a repository: our card in a part of its own, and around it what people wrote there, kept as it is.

    --- header: their lines, with our configurations, sizes and tags added ---
    their text
    <!-- factory card DIGEST LICENCE ... -->
    our card
    <!-- end of factory card -->
    their text

The digest tells whether somebody edited our part. Between the notes comments inside it everybody may write.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any

import yaml

from factory.errors import UsageError, first_line
from factory.publishing.card import NOTES, notes_of

HEADER = re.compile(r"\A\ufeff?---[ \t]*\r?\n(?P<text>.*?)(?:(?<=\n)|\r?\n)---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
KEY = re.compile(r"^(?:\"([^\"]+)\"|'([^']+)'|([\w-]+))[ \t]*:(?=\s|$)")
MARK = "<!-- factory card {digest} {licence}: made from the data; write above, below or between the notes -->"
END = "<!-- end of factory card -->"
PART = re.compile(
    rf"<!-- factory card (?P<digest>[0-9a-f]{{16}}) (?P<licence>\S+): [^\n]*-->\r?\n(?P<body>.*?){END}",
    re.DOTALL,
)
DEEPEST = 20
"""Levels of a header (stream and document are two) that are read."""
EARLIER = (
    "<!-- notes: what you write between these two lines is kept",
    "`factory card --check` runs them all",
)
"""Stand in every card of versions that did not mark their part."""


@dataclass(frozen=True, slots=True)
class Merged:
    """A README and what is worth saying of how it came about."""

    text: str
    said: tuple[str, ...] = ()


def merge_readme(ours: str, theirs: str | None) -> Merged:
    """Our card put into the README that is there. Merging again what was merged changes nothing.

    Args:
        ours: the card, as `render_card` makes it.
        theirs: the repository's README; None when it has none.

    Raises:
        UsageError: their header cannot be read, or our part was edited outside of the notes.
    """
    header, body = _split(ours)
    given = yaml.safe_load(header)
    if theirs is None:
        return Merged(_whole(header, "", _part(body, given["license"]), ""))
    old_header, text = _split(theirs)
    found = PART.search(text)
    if found is None and all(words in text for words in EARLIER):
        return Merged(_whole(header, "", _part(_noted(body, text), given["license"]), ""))
    if found is None:
        above, part, below, licence = f"{text.rstrip()}\n\n" if text.strip() else "", body, "", None
        said = ["the README that is there was kept; the card follows it"]
    else:
        _check_untouched(found)
        above, below, licence = text[: found.start()], text[found.end() :], found["licence"]
        part, said = _noted(body, found["body"]), []
    merged = _merged_header(given, old_header, licence)
    stated = (yaml.safe_load(merged) or {}).get("license")
    if stated != given["license"]:
        said.append(f"the README states licence {stated}, the rows {given['license']}: kept as it is there")
    return Merged(_whole(merged, above, _part(part, given["license"]), below), tuple(said))


def unmarked(readme: str) -> str:
    """A README without the marks around our part."""
    return PART.sub(lambda found: found["body"].strip("\n"), readme)


def _split(readme: str) -> tuple[str, str]:
    found = HEADER.match(readme)
    return (found["text"], readme[found.end() :]) if found else ("", readme.removeprefix("\ufeff"))


def _whole(header: str, above: str, part: str, below: str) -> str:
    lead = above if above.startswith(("\n", "\r")) or not above else f"\n{above}"
    return f"---\n{header.rstrip()}\n---\n{lead or chr(10)}{part}{below or chr(10)}"


def _part(body: str, licence: str) -> str:
    body = body.replace(END, END.replace("<", "&lt;"))  # a recipe may hold any text
    return f"{MARK.format(digest=_digest(body), licence=licence)}\n{body.strip()}\n{END}"


def _digest(body: str) -> str:
    """Of our part without its notes, whatever the line ends."""
    plain = NOTES.sub("", body.replace("\r\n", "\n")).strip()
    return hashlib.sha256(plain.encode()).hexdigest()[:16]


def _check_untouched(found: re.Match[str]) -> None:
    if _digest(found["body"]) != found["digest"]:
        raise UsageError(
            "README.md: somebody edited the card in the repository",
            do="move what they wrote above it, below it or between its notes comments, or take its two marks away to "
            "keep all of it as it is",
        )


def _noted(body: str, old: str) -> str:
    """Our part with its own notes and those that are there; none is lost."""
    mine, theirs = notes_of(body), notes_of(old.replace("\r\n", "\n"))
    kept = mine if theirs in mine else theirs if mine in theirs else f"{mine}\n\n{theirs}"
    found = NOTES.search(body)
    return (
        body
        if found is None or kept == mine
        else body[: found.start("text")] + kept + body[found.end("text") :]
    )


def _merged_header(ours: dict[str, Any], theirs: str, licence: str | None) -> str:
    """Their header, line by line, with what ours adds. `licence` is what our part stated before."""
    given = _read_header(theirs)
    entries = _entries(theirs)
    if set(entries) - {""} != set(map(str, given)):
        raise UsageError(
            "README.md: the header has more than one key per line", do="write `key: value` lines there"
        )
    wanted: dict[Any, Any] = dict(given)
    for key, value in ours.items():
        wanted[key] = _value(key, value, given[key], licence) if key in given else value
        if key not in given or wanted[key] != given[key]:
            entries[key] = yaml.safe_dump({key: wanted[key]}, sort_keys=False, allow_unicode=True, width=1000)
    text = "".join(entry if entry.endswith("\n") else f"{entry}\n" for entry in entries.values())
    if _read_header(text) != wanted:
        raise UsageError("README.md: the header cannot be added to", do="write `key: value` lines there")
    return text


def _value(key: str, ours: Any, theirs: Any, licence: str | None) -> Any:
    """What a key has when both have it: sizes are counted, lists are joined, the rest is theirs."""
    if key == "size_categories" or (key == "license" and theirs == licence):
        return ours
    if key == "configs":
        return _configs(ours, theirs)
    if isinstance(ours, list):
        there = theirs if isinstance(theirs, list) else [] if theirs is None else [theirs]
        added = [item for item in ours if item not in there]
        return there + added if added else theirs
    return ours if theirs is None else theirs


def _configs(ours: list[dict[str, Any]], theirs: Any) -> list[dict[str, Any]]:
    """Our configurations, and theirs with other names; one default, which is theirs when they have one."""
    if not isinstance(theirs, list | None) or not all(isinstance(each, dict) for each in theirs or []):
        raise UsageError(
            "README.md: configs in the header is not a list of configurations", do="correct it there"
        )
    names = {each["config_name"] for each in ours}
    kept = [each for each in theirs or [] if each.get("config_name") not in names]
    if any(each.get("default") for each in kept):
        ours = [{key: value for key, value in each.items() if key != "default"} for each in ours]
    return ours + kept


def _read_header(text: str) -> dict[Any, Any]:
    try:
        depth = 0
        for event in yaml.parse(text):
            # Aliases make small texts large, and a parser is slow on deep ones; no header needs them.
            depth += event.__class__.__name__.endswith("StartEvent") - event.__class__.__name__.endswith(
                "EndEvent"
            )
            if isinstance(event, yaml.AliasEvent) or depth > DEEPEST:
                raise UsageError(
                    "README.md: the header has YAML aliases or is nested deeply", do="simplify it there"
                )
        found = yaml.safe_load(text) or {}
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(
            f"README.md: the header is not valid YAML: {first_line(error)}", do="correct it there"
        ) from error
    if not isinstance(found, dict):
        raise UsageError("README.md: the header is not a mapping", do="correct it there")
    return found


def _entries(text: str) -> dict[str, str]:
    """The lines of each top-level key; those before the first one under an empty name."""
    entries: dict[str, str] = {}
    name = ""
    for line in text.splitlines(keepends=True):
        if found := KEY.match(line):
            name = found[1] or found[2] or found[3]
        entries[name] = entries.get(name, "") + line
    return entries
