"""How responses are got. Teacher and student are both samplers; everything goes through the response store."""

from factory.sampling.opening import open_sampler
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
