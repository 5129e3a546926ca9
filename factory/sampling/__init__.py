"""How responses are got. Teacher and student are both samplers; everything goes through the response store.

Importing the package imports nothing heavy: the names below are loaded when they are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from factory.sampling.presets import open_sampler
    from factory.sampling.problems import sample_problems
    from factory.sampling.sampler import (
        Completion,
        Message,
        RemoteSampler,
        Sampler,
        SampleRequest,
        SamplingParams,
    )

__all__ = [
    "Completion",
    "Message",
    "RemoteSampler",
    "SampleRequest",
    "Sampler",
    "SamplingParams",
    "open_sampler",
    "sample_problems",
]

_HOMES = {"open_sampler": "presets", "sample_problems": "problems"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"factory.sampling.{_HOMES.get(name, 'sampler')}"), name)
