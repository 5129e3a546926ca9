"""vLLM's offline engine on this machine (extra `vllm`): prefix caching, and all samples of a prompt in one request."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
from collections.abc import AsyncIterator, Iterable, Sequence
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

from factory.errors import UsageError
from factory.sampling.checkpoint import checkpoint_digest
from factory.sampling.finish import status_of
from factory.sampling.sampler import Completion, SampleRequest, sample_seed
from factory.text.reasoning import split_text


def runs_here() -> bool:
    """Whether vLLM is installed and has a GPU to run on."""
    return find_spec("vllm") is not None and has_gpu()


def has_gpu() -> bool:
    """Whether this machine shows a GPU; without importing torch, which takes seconds."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    return any(Path("/dev").glob("nvidia[0-9]*")) or any(
        Path(f"/dev/{name}").exists() for name in ("kfd", "dxg")
    )


class VllmSampler:
    """Generates with `vllm.LLM`. The engine starts at the first request and is given back by `aclose`."""

    def __init__(self, model: str, *, name: str = "vllm-offline", **engine: Any) -> None:
        """`model` is a checkpoint folder or a Hub id; `engine` goes to `vllm.LLM`, as do the words of `FACTORY_SERVE_ARGS`.

        Raises:
            UsageError: vllm is not installed.
        """
        if find_spec("vllm") is None:
            raise UsageError(
                "vllm is not installed",
                do="pip install 'cot-factory[vllm]', or serve the model and use --teacher vllm",
            )
        folder = Path(model) if Path(model).is_dir() else None
        self.name, self.path = name, model
        self.model = "/".join(folder.resolve().parts[-2:]) if folder else model
        self.revision: str | None = checkpoint_digest(folder) if folder else None
        words = shlex.split(os.environ.get("FACTORY_SERVE_ARGS", ""))
        self._engine_options = {"enable_prefix_caching": True, **engine_options(words), **engine}
        self._engine: Any = None

    def wire_request(self, request: SampleRequest) -> dict[str, Any]:
        """Model, messages and parameters."""
        params = request.params
        return {
            "sampler": "vllm-offline",
            "model": self.revision or self.model,
            "messages": list(request.messages),
            "temperature": params.temperature,
            "top_p": params.top_p,
            "max_tokens": params.max_tokens,
            "seed": params.seed,
        }

    async def sample(
        self, requests: Iterable[SampleRequest]
    ) -> AsyncIterator[tuple[SampleRequest, Completion]]:
        """Answer requests in one call: the engine batches them continuously, and siblings share their prefix."""
        wanted = list(requests)
        if not wanted:
            return
        for request, completion in zip(wanted, await asyncio.to_thread(self._chat, wanted), strict=True):
            yield request, completion

    async def aclose(self) -> None:
        """Let the engine go."""
        self._engine = None

    def _chat(self, requests: list[SampleRequest]) -> list[Completion]:
        from vllm import LLM, SamplingParams

        if self._engine is None:
            self._engine = LLM(model=self.path, **self._engine_options)
        params = [
            SamplingParams(
                temperature=r.params.temperature,
                top_p=r.params.top_p,
                max_tokens=r.params.max_tokens,
                seed=None
                if r.params.seed is None
                else sample_seed(r.params.seed, r.problem_id, r.sample_index),
                skip_special_tokens=False,
            )
            for r in requests
        ]
        outputs = self._engine.chat([list(r.messages) for r in requests], params, use_tqdm=False)
        return [self._completion(output) for output in outputs]

    def _completion(self, output: Any) -> Completion:
        best = output.outputs[0]
        prefilled = (output.prompt or "").rstrip().endswith("<think>")
        text = best.text
        for mark in ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "</s>", "<｜end▁of▁sentence｜>"):
            text = text.removesuffix(mark)
        parts = split_text(text, prefilled=prefilled)
        finish = best.finish_reason or "stop"
        return Completion(
            reasoning=parts.reasoning,
            content=parts.content or None,
            status=status_of(parts, finish),
            finish_reason=finish,
            prompt_tokens=len(output.prompt_token_ids or []),
            completion_tokens=len(best.token_ids),
            served_model=self.model,
        )


def engine_options(words: Sequence[str]) -> dict[str, Any]:
    """Words of vLLM's command line as arguments of `vllm.LLM`.

    Example:
        >>> engine_options(["--tensor-parallel-size", "8", "--enforce-eager", "--dtype=bfloat16"])
        {'tensor_parallel_size': 8, 'enforce_eager': True, 'dtype': 'bfloat16'}

    Raises:
        UsageError: a value without a name.
    """
    found: dict[str, Any] = {}
    name = ""
    for word in chain.from_iterable(w.split("=", 1) if w.startswith("--") else [w] for w in words):
        if word.startswith("--"):
            name = word.removeprefix("--").replace("-", "_")
            found[name] = True
        elif name:
            found[name], name = _value(word), ""
        else:
            raise UsageError(f"FACTORY_SERVE_ARGS: {word} belongs to no option", do="write --name value")
    return found


def _value(word: str) -> Any:
    try:
        return json.loads(word)
    except ValueError:
        return word
