"""Make the tiny pretrained base of the quickstart: `make base`, about ten minutes on one core.

The base knows single steps of modular arithmetic, the notation, the chat markers, and how to go on by at most two lines
with work that somebody has begun. It knows no chains: whatever is asked, it stops after two lines. The paper starts from a
pretrained model, too (docs/paper.md). What is left to the four stages is to go on, to end, and to be right.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from factory.config.train import StudentSection
from factory.sources.families.chains import apply
from train.say import say
from train.student import build_model, build_tokenizer

STUDENT = StudentSection(hidden_size=128, layers=2, heads=4, vocabulary=512, positions=512)
STEPS, ROWS, SEED = 6_000, 32, 0
RATE = 1e-3
"""At 2e-3 and above copying had not formed after 1,000 steps; at 1e-3 it had after 800."""
EARLY = 0.3
"""Share of the training in which facts and short statements come first."""
MODULI = (7, 8, 9, 10)

Piece = tuple[str, bool]
"""Text, and whether it is learned. What cannot be known, like the left sides of a list of facts, is only read."""


def document(rng: random.Random, begun: float = 1.0) -> tuple[str, list[Piece]]:
    """One document and its kind. It always ends after what was asked, or after two lines of work.

    Args:
        rng: decides everything.
        begun: share of the training that is over.
    """
    modulus, kind = rng.choice(MODULI), rng.random()
    early = begun < EARLY
    if kind < (0.35 if early else 0.08):
        return "facts", _facts(rng, modulus)
    if kind < (0.7 if early else 0.12):
        return "repeat", _repeated(rng)
    steps = rng.choice((1, 2, 2, 3) if early else (1, 2, 3, 4, 5, 5, 6))
    start, ops = rng.randrange(modulus), _operations(rng, modulus, steps)
    asked = f"<|user|>{_statement(rng, modulus, start, ops)}<|end|><|assistant|>"
    if rng.random() < 0.15:
        said = f"{start}; " + "; ".join(f"{op}{n}" for op, n in ops)
        return "copy", [(asked + "steps: ", False), (said, True)]
    lines = _lines(modulus, start, ops)
    if steps == 1:
        done = f"<think>\n{lines[0]}; check {lines[0]} ok\n</think>\n\n\\boxed{{{lines[0][-1]}}}"
        return "one step", [(asked, False), (done, True)]
    at = rng.randrange(steps)
    before = "".join(f"{line}; " for line in lines[:at])
    opening = rng.choice(("", "\n", "work\n", "so\n", "<think>\n"))
    return "two lines", [(asked + opening + before, False), ("; ".join(lines[at : at + 2]), True)]


def _facts(rng: random.Random, modulus: int) -> list[Piece]:
    name = rng.choice((f"mod {modulus}:", f"in mod {modulus}", f"facts, mod {modulus}", f"modulo {modulus}"))
    pieces = [(f"<|user|>{name}<|end|><|assistant|>", False)]
    for number in range(rng.randint(4, 8)):
        left, (op, right) = rng.randrange(modulus), _operation(rng, modulus)
        pieces.append((f"{'; ' if number else ''}{left}{op}{right}=", False))
        pieces.append((str(apply(op, left, right) % modulus), True))
    return pieces


def _repeated(rng: random.Random) -> list[Piece]:
    """Operations written three times; what is learned is to write again what was written before."""
    ops = _operations(rng, 10, rng.randint(3, 7))
    said = [rng.choice((" ", "; ", ", ", "\n")).join(f"{op}{n}" for op, n in ops) for _ in range(3)]
    return [(f"<|user|>{said[0]}<|end|><|assistant|>", False), ("\n".join(said[1:]), True)]


def _statement(rng: random.Random, modulus: int, start: int, ops: Sequence[tuple[str, int]]) -> str:
    chain = " ".join(f"{op}{n}" for op, n in ops)
    return rng.choice(
        (
            f"mod {modulus}: {start} {chain}",
            f"start {start}, do {chain}, mod {modulus}",
            f"{start} {chain} in mod {modulus}",
            f"take {start}; {chain}; modulo {modulus}",
            f"work mod {modulus} from {start}: {chain}",
            f"(mod {modulus}) {start} {chain}",
        )
    )


def _operation(rng: random.Random, modulus: int) -> tuple[str, int]:
    return rng.choice("+-*"), rng.randint(1 if rng.random() < 0.1 else 2, modulus - 1)


def _operations(rng: random.Random, modulus: int, steps: int) -> list[tuple[str, int]]:
    """Mostly with different operands: only then the place in a statement can be found by its operand."""
    if rng.random() < 0.8 and steps <= modulus - 2:
        return [(rng.choice("+-*"), n) for n in rng.sample(range(2, modulus), steps)]
    return [_operation(rng, modulus) for _ in range(steps)]


def _lines(modulus: int, start: int, ops: Sequence[tuple[str, int]]) -> list[str]:
    lines, value = [], start
    for op, n in ops:
        after = apply(op, value, n) % modulus
        lines.append(f"{value}{op}{n}={after}")
        value = after
    return lines


def batch(
    rng: random.Random, tokenizer: Any, rows: int, begun: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
    """Token ids and labels of `rows` documents, both (rows, longest) and padded on the right, and the documents' kinds."""
    ids, labels, kinds = [], [], []
    for _ in range(rows):
        kind, pieces = document(rng, begun)
        parts = [
            (tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids, learned)
            for text, learned in [*pieces, (tokenizer.eos_token, True)]
        ]
        ids.append(torch.tensor([i for part, _ in parts for i in part]))
        labels.append(torch.tensor([i if learned else -100 for part, learned in parts for i in part]))
        kinds.append(kind)
    pad = torch.nn.utils.rnn.pad_sequence
    return pad(ids, True, tokenizer.pad_token_id), pad(labels, True, -100), kinds


@torch.no_grad()
def known(model: Any, tokenizer: Any, rows: int = 512) -> dict[str, float]:
    """Share of documents, never trained on, in which every learned token is the most likely one, by kind.

    Ends do not count: nobody can see in work that was begun where the two lines have started.
    """
    model.eval()
    inputs, labels, kinds = batch(random.Random(f"{SEED}-check"), tokenizer, rows)
    guess = model(input_ids=inputs).logits[:, :-1].argmax(-1)
    right = (guess == labels[:, 1:]) | (labels[:, 1:] == -100)
    right |= (guess == tokenizer.eos_token_id) | (labels[:, 1:] == tokenizer.eos_token_id)
    whole = right.all(1).tolist()
    model.train()
    all_of, knows = Counter(kinds), Counter(kind for kind, one in zip(kinds, whole, strict=True) if one)
    del all_of["repeat"]  # how its operations are separated cannot be known
    return {kind: round(knows[kind] / count, 3) for kind, count in sorted(all_of.items())}


def train(steps: int, *, every: int = 200) -> tuple[Any, Any, dict[str, float]]:
    """The model, its tokenizer and what it knows at the end; progress goes to the terminal."""
    torch.set_num_threads(1)
    rng = random.Random(SEED)
    texts = ["".join(text for text, _ in document(rng)[1]) for _ in range(3_000)]
    tokenizer = build_tokenizer(texts, STUDENT.vocabulary)
    model: Any = build_model(STUDENT, tokenizer, SEED).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.98), weight_decay=0.01)
    began = time.monotonic()
    for step in range(steps):
        rate = RATE * min(1.0, (step + 1) / 50, max(0.03, (1 - step / steps) / 0.4))
        for group in optimizer.param_groups:
            group["lr"] = rate
        inputs, labels, _ = batch(rng, tokenizer, ROWS, step / steps)
        loss = model(input_ids=inputs, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if (step + 1) % every == 0:
            say(
                f"{step + 1}/{steps}  {time.monotonic() - began:.0f} s  loss {loss.item():.3f}  {known(model, tokenizer)}"
            )
    return model, tokenizer, known(model, tokenizer, 2_000)


def main() -> None:
    """Train and write the checkpoint with its manifest."""
    from factory.run.parts import MANIFEST
    from train.stage import model_digest

    parser = argparse.ArgumentParser(
        prog="python -m recipes.tiny_base.make", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder of the checkpoint")
    parser.add_argument("--steps", type=int, default=STEPS, help="optimiser steps")
    asked = parser.parse_args()
    model, tokenizer, knows = train(asked.steps)
    model.save_pretrained(asked.out)
    tokenizer.save_pretrained(asked.out)
    manifest = {
        "command": f"python -m recipes.tiny_base.make --steps {asked.steps}",
        "seed": SEED,
        "parameters": sum(p.numel() for p in model.parameters()),
        "documents": asked.steps * ROWS,
        "known": knows,
        "digest": model_digest(asked.out),
    }
    (asked.out / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
