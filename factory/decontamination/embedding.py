"""A sentence-embedding model, and its vectors as an index keeps them.

An index keeps 4 bits of every coordinate, signs and order of the coordinates changed by the salt. That costs 0.01 of a
cosine at most, and hides nothing from somebody with this program: vectors tell what a text is about, and a model that was trained
for it gives back parts of the wording (Morris et al. 2023, arXiv:2310.06816). A benchmark that asks for secrecy is indexed
without them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from factory.atomic import file_digest
from factory.decontamination.features import SALT
from factory.errors import UsageError, first_line
from factory.text.hashing import Bytes, mix
from factory.text.tokens import Places

BATCH_TOKENS = 4_096
"""Tokens of a batch, padding among them."""
LONGEST = 128
"""Tokens of a text that the model reads: what all-MiniLM-L6-v2 was trained on (its model card)."""
WEIGHTS = "model.safetensors"
_STEP = 0.335
"""Distance of the 16 levels of a coordinate, in its standard deviations: best for normal ones (Max 1960, table 2)."""

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Encoder:
    """A loaded model: `name` as given, `sha256` of its weights, `width` of its vectors."""

    name: str
    sha256: str
    width: int
    model: Any
    tokenizer: Any

    @property
    def facts(self) -> dict[str, Any]:
        """What an index says of the model that its vectors are of."""
        return {"sha256": self.sha256, "width": self.width}

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of texts, shape (texts, width): the mean of the model's last layer over a text's tokens."""
        import torch

        found = np.zeros((len(texts), self.width), dtype=np.float32)
        if not texts:
            return found
        longest = min(LONGEST, getattr(self.model.config, "max_position_embeddings", LONGEST))
        ids = self.tokenizer(list(texts), truncation=True, max_length=longest)["input_ids"]
        with torch.inference_mode():
            for batch in _batches([len(each) for each in ids]):
                inputs = self.tokenizer.pad({"input_ids": [ids[i] for i in batch]}, return_tensors="pt")
                states = self.model(**inputs).last_hidden_state
                mask = inputs["attention_mask"].unsqueeze(-1).to(states.dtype)
                mean = (states * mask).sum(1) / mask.sum(1).clamp(min=1)
                found[batch] = torch.nn.functional.normalize(mean.float(), dim=1).numpy()
        return found


def _batches(sizes: list[int]) -> list[list[int]]:
    """Texts of about one length together, at most `BATCH_TOKENS` tokens a batch."""
    batches: list[list[int]] = []
    for i in sorted(range(len(sizes)), key=sizes.__getitem__):
        if not batches or sizes[i] * (len(batches[-1]) + 1) > BATCH_TOKENS:
            batches.append([])
        batches[-1].append(i)
    return batches


def weights_digest(model: str) -> str:
    """SHA-256 of a model's weights: what its vectors depend on.

    Args:
        model: see `open_encoder`.

    Raises:
        UsageError: see `open_encoder`.
    """
    try:
        from transformers.utils import cached_file

        return file_digest(Path(str(cached_file(model, WEIGHTS))))
    except ImportError as error:
        raise UsageError(
            "the embedding tier needs torch and transformers", do="pip install 'cot-factory[train]'"
        ) from error
    except (OSError, ValueError) as error:
        raise _no_model(model, error) from error


def _no_model(model: str, error: Exception) -> UsageError:
    return UsageError(
        f"{model} holds no embedding model ({first_line(error)})",
        do="give a folder, or a Hub id, of a sentence-embedding model with its tokenizer",
    )


@lru_cache(maxsize=1)
def open_encoder(model: str) -> Encoder:
    """Load a model with its tokenizer, once per process.

    Args:
        model: a folder, or the id of a model on the Hub.

    Raises:
        UsageError: torch is missing, or there is no such model.
    """
    sha256 = weights_digest(model)
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(model)
        loaded = AutoModel.from_pretrained(model).eval()
    except (OSError, ValueError) as error:
        raise _no_model(model, error) from error
    return Encoder(model, sha256, loaded.config.hidden_size, loaded, tokenizer)


@lru_cache(maxsize=1)
def _salted(width: int) -> tuple[Places, Vectors]:
    """The order and the signs that the salt gives the coordinates."""
    keys = mix(np.arange(width, dtype=np.uint64) ^ SALT)
    return np.argsort(keys), np.where(keys & np.uint64(1), 1, -1).astype(np.float32)


def codes(vectors: Vectors) -> Bytes:
    """Vectors as an index keeps them, shape (vectors, width / 2)."""
    order, signs = _salted(vectors.shape[1])
    steps = np.floor((vectors * signs)[:, order] * np.sqrt(vectors.shape[1]) / _STEP) + 8
    levels = np.clip(steps, 0, 15).astype(np.uint8)
    return levels[:, ::2] << np.uint8(4) | levels[:, 1::2]


def vectors_of(kept: Bytes) -> Vectors:
    """Unit vectors again, in the coordinates of the model."""
    order, signs = _salted(2 * kept.shape[1])
    levels = np.empty((kept.shape[0], order.size), dtype=np.float32)
    levels[:, order[::2]], levels[:, order[1::2]] = kept >> np.uint8(4), kept & np.uint8(15)
    levels = (levels - np.float32(7.5)) * signs
    return levels / np.linalg.norm(levels, axis=1, keepdims=True)
