"""What is done about an answer that the token budget cut. Never the same budget again: that buys the same cut."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from factory.errors import UsageError
from factory.sampling.presets import Preset
from factory.sampling.rows import to_completion
from factory.sampling.sampler import Completion, SampleRequest
from factory.store.journal import Stored
from schemas import ResponseStatus

CUT = (ResponseStatus.CUT_IN_REASONING, ResponseStatus.CUT_IN_ANSWER)
DOUBLINGS = 2
"""A cut answer is asked for with twice the budget, then with four times; a chain that still does not end is kept cut."""

Policy = Literal["keep", "continue", "larger"]


class Truncation:
    """The policy of one job.

    Raises:
        UsageError: the policy is not built.
    """

    def __init__(self, policy: Policy, preset: Preset | None) -> None:
        if policy == "continue":
            raise UsageError("truncation: continue is not built yet", do="use keep, or larger")
        self.policy = policy
        self.most = preset.most_tokens if preset else None

    def follow_up(self, request: SampleRequest, completion: Completion) -> SampleRequest | None:
        """The request that follows upon an answer, or None when the answer stays as it is."""
        if self.policy != "larger" or completion.status not in CUT:
            return None
        doubled = request.doublings + 1
        tokens = request.params.max_tokens * 2
        if doubled > DOUBLINGS or (self.most is not None and tokens > self.most):
            return None
        return replace(request, params=replace(request.params, max_tokens=tokens), doublings=doubled)

    def again(self, request: SampleRequest, stored: Stored) -> SampleRequest | None:
        """The same for a stored answer."""
        return self.follow_up(request, to_completion(stored))
