"""Source specs that are not files: `KIND:NAME?key=value&key=value`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from factory.errors import UsageError


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """A parsed spec: what stands before `?`, and the settings after it."""

    text: str
    name: str
    settings: Mapping[str, str]

    def whole(self, key: str, default: int, *, least: int = 0) -> int:
        """A setting that is a whole number.

        Raises:
            UsageError: it is not one, or below `least`.
        """
        raw = self.settings.get(key, str(default))
        try:
            value = int(raw)
        except ValueError:
            raise UsageError(f"{self.text}: {key}={raw} is not a whole number") from None
        if value < least:
            raise UsageError(f"{self.text}: {key}={raw} must be at least {least}")
        return value

    def check_keys(self, known: tuple[str, ...]) -> None:
        """Refuse settings that nobody reads.

        Raises:
            UsageError: a setting is unknown; lists the known ones.
        """
        for key in self.settings:
            if key not in known:
                raise UsageError(f"{self.text}: unknown setting {key}", do=f"known: {', '.join(known)}")


def parse_spec(text: str) -> SourceSpec:
    """Parse `KIND:NAME?key=value&...`.

    Raises:
        UsageError: the name is empty, or a setting has no value or comes twice.
    """
    head, _, query = text.partition("?")
    name = head.partition(":")[2]
    if not name:
        raise UsageError(f"{text}: nothing after {head}")
    settings: dict[str, str] = {}
    for pair in filter(None, query.split("&")):
        key, equals, value = pair.partition("=")
        if not equals or not value:
            raise UsageError(f"{text}: setting {pair} is not of the form key=value")
        if key in settings:
            raise UsageError(f"{text}: setting {key} is given twice")
        settings[key] = unquote(value)
    return SourceSpec(text, name, settings)
