"""How natural traces are to a student: the same figures as a plain loop over transformers gives."""

from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from factory.errors import FactoryError, UsageError
from factory.sampling.likelihood import RANKS, naturalness

BASE = Path(str(resources.files("recipes") / "tiny_base"))
PROMPTS = [
    "mod 7: 2 -2 *2 *4 +5 *5",
    "What is 3 + 4?",
    "mod 9: 8 *3 +1 -4",
    "x",
    "Combien font deux et deux ?",
]
TRACES = [
    "<think>\n2-2=0; 0*2=0; 0*4=0; 0+5=5; 5*5=4; check 5*5=4 ok\n</think>\n\n\\boxed{4}",
    "<think>\nI add them, 3 and 4: seven.\n</think>\n\nIt is 7.",
    "8*3=6; 6+1=7; 7-4=3",
    "ok",
    "Quatre 🙂",
]


def plain(prompt, trace):
    """Surprisal and unclipped rank of every token, one at a time."""
    tokenizer, model = (
        AutoTokenizer.from_pretrained(BASE),
        AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32),
    )
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True
    )
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    found = []
    for token in tokenizer(trace, add_special_tokens=False)["input_ids"]:
        with torch.no_grad():
            chances = torch.log_softmax(model(torch.tensor([ids])).logits[0, -1].double(), 0)
        order = chances.argsort(descending=True).tolist()
        found.append((-float(chances[token]), order.index(token) + 1))
        ids = [*ids, token]
    return np.array(found)


def test_surprisal_and_rank_are_those_of_a_loop_over_single_tokens():
    found = naturalness(BASE, PROMPTS, TRACES)
    loops = [plain(*pair) for pair in zip(PROMPTS, TRACES, strict=True)]
    assert found.surprisal == pytest.approx([loop[:, 0].mean() for loop in loops], rel=1e-3)
    assert found.rank == pytest.approx([loop[:, 1].clip(max=RANKS).mean() for loop in loops], abs=0.02)
    assert found.tokens.tolist() == [len(loop) for loop in loops]
    assert any(loop[:, 1].max() > RANKS for loop in loops)  # the clip is reached
    order = np.argsort(found.surprisal).tolist()
    assert order == np.argsort([loop[:, 0].mean() for loop in loops]).tolist()
    means = np.mean([[l[:, 0].mean(), l[:, 1].clip(max=RANKS).mean()] for l in loops], axis=0)  # noqa: E741
    assert found.rank_surprisal_ratio == pytest.approx(means[1] / means[0], rel=1e-2)


def test_a_long_trace_is_read_as_far_as_there_is_room():
    found = naturalness(BASE, [PROMPTS[0]], [TRACES[0] * 50], most=64)
    assert 0 < found.tokens[0] < 64
    with pytest.raises(UsageError, match="leaves no room"):
        naturalness(BASE, ["mod 7: 2 " * 100], TRACES[:1], most=64)


def test_what_is_no_checkpoint_is_one_line(tmp_path):
    with pytest.raises(FactoryError, match="cannot load the checkpoint"):
        naturalness(tmp_path, PROMPTS[:1], TRACES[:1])
