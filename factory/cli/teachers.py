"""`factory teachers`: models that can be asked, their keys and prices."""

from __future__ import annotations

import os
from typing import Annotated

from factory.cli.flags import Flag
from factory.cli.show import say, show


def command(
    name: Annotated[str | None, Flag("Show one teacher in full.", words=True, metavar="[NAME]")] = None,
) -> None:
    """List the presets: endpoint, model, key variable, dated prices.

    factory teachers deepseek-r1
    """
    from factory.sampling.presets import LOCAL, PRESETS

    if name is not None:
        _show_one(name)
        return
    rows = [
        (
            preset.name,
            preset.model or "--model",
            _key(preset.key_env),
            f"{preset.prices.prompt:g} / {preset.prices.completion:g} ({preset.prices.dated})"
            if preset.prices
            else "--price",
        )
        for preset in PRESETS.values()
    ]
    show("teachers", ("name", "model", "key", "$ per M tokens in / out"), rows)
    say(
        "Prices are the provider's list on that day (peak hours, cache miss). They were not checked since: look them "
        "up before a large job and give --price IN,OUT where they changed."
    )
    say("Run `factory teachers NAME` for full details of one teacher.")
    show("on this machine", ("name", "what"), LOCAL.items())


def _key(variable: str | None) -> str:
    if variable is None:
        return "none"
    return f"{variable} ({'set' if os.environ.get(variable) else 'not set'})"


def _show_one(name: str) -> None:
    from dataclasses import asdict

    from factory.sampling.presets import LOCAL, PRESETS, check_name

    check_name(name)
    if name in LOCAL:
        say(f"{name}: {LOCAL[name]}")
        return
    for field, value in asdict(PRESETS[name]).items():
        say(f"{field:18} {_key(value) if field == 'key_env' else value}")
