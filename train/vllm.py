"""Rollouts by vLLM: what must be there before a weight is loaded, and the settings that TRL needs for it."""

from __future__ import annotations

import urllib.error
import urllib.request
from importlib.util import find_spec
from typing import Any

from factory.errors import UsageError

SERVE = (
    "VLLM_SERVER_DEV_MODE=1 vllm serve MODEL --host 127.0.0.1 --port 8000 "
    '--weight-transfer-config \'{"backend": "nccl"}\' --logprobs-mode processed_logprobs --max-logprobs -1'
)
"""How a server is started that TRL 1.16 can send weights to (TRL issue 6765); MODEL is the parent's `final/`."""


def vllm_settings(section: Any) -> dict[str, Any]:
    """TRL's fields for the section's `vllm` mode; empty when it is off.

    The importance ratio is corrected per token. TRL's default multiplies it over the whole sequence: at a KL of 1e-4 per
    token the mean of a healthy run is 0.39 after 16k tokens, and most completions would lose their weight (TRL 5815).

    Raises:
        UsageError: vLLM is not installed.
    """
    if section.vllm == "off":
        return {}
    if find_spec("vllm") is None:
        raise UsageError(
            "train.rl.vllm is on, but vLLM is not installed here",
            do="pip install 'cot-factory[vllm]' on a machine with a GPU, or set train.rl.vllm=off",
        )
    values: dict[str, Any] = {
        "use_vllm": True,
        "vllm_mode": section.vllm,
        "vllm_importance_sampling_correction": True,
        "vllm_importance_sampling_mode": "token_truncate",
    }
    if section.vllm == "colocate":
        values["vllm_max_model_length"] = section.max_prompt_length + section.max_completion_length
    return values


def check_server(section: Any, config: Any) -> None:
    """In server mode, ask the server whether it is there.

    Raises:
        UsageError: it does not answer; gives the command that starts one.
    """
    if section.vllm != "server":
        return
    url = config.vllm_server_base_url or f"http://{config.vllm_server_host}:{config.vllm_server_port}"
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=10):
            return
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise UsageError(f"no vLLM server answers at {url} ({error})", do=f"start one: {SERVE}") from error
