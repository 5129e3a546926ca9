"""The tiny student: its tokenizer spells everything, keeps think tags, and is the same on every build."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer

from factory.config.train import StudentSection
from train.stage import model_digest
from train.student import HOW_LOADED, build_model, build_tokenizer, write_tiny

REPOSITORY = Path(__file__).parents[2]

TEXTS = ["What is 12 + 7?", "<think>\n12 + 7 = 19\n</think>\n\\boxed{19}"] * 10
TOKENIZER = build_tokenizer(TEXTS, 300)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_any_text_comes_back(text):
    ids = TOKENIZER(text, add_special_tokens=False)["input_ids"]
    assert TOKENIZER.decode(ids, skip_special_tokens=False) == text


def test_digits_are_single_tokens():
    many = build_tokenizer(["1234567890 " * 50, "12 12 12 12"] * 20, 400)
    pieces = many.convert_ids_to_tokens(many("1234 and 56")["input_ids"])
    assert [p for p in pieces if any(c.isdigit() for c in p)] == list("123456")


def test_think_tags_survive_decoding_and_pad_is_not_the_end():
    ids = TOKENIZER("<think>\na\n</think>\nb<|end|>", add_special_tokens=False)["input_ids"]
    assert TOKENIZER.decode(ids, skip_special_tokens=True) == "<think>\na\n</think>\nb"
    assert TOKENIZER.pad_token_id != TOKENIZER.eos_token_id
    assert ids.count(TOKENIZER.convert_tokens_to_ids("</think>")) == 1


def test_template_appends_only():
    prompt, answer = {"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}
    before = TOKENIZER.apply_chat_template([prompt], add_generation_prompt=True, tokenize=False)
    assert before == "<|user|>x<|end|><|assistant|>"
    assert TOKENIZER.apply_chat_template([prompt, answer], tokenize=False) == before + "y<|end|>"


def test_same_seed_same_files_and_an_ordinary_checkpoint(tmp_path):
    student = StudentSection(hidden_size=32, layers=2, heads=2, vocabulary=300, positions=128)
    write_tiny(student, TEXTS, tmp_path / "a", 3)
    write_tiny(student, list(reversed(TEXTS)), tmp_path / "b", 3)
    write_tiny(student, TEXTS, tmp_path / "c", 4)
    assert model_digest(tmp_path / "a") == model_digest(tmp_path / "b") != model_digest(tmp_path / "c")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "a")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "a")
    assert type(model).__name__ == "Phi3ForCausalLM"
    assert tokenizer.convert_tokens_to_ids("<|end|>") in model.generation_config.eos_token_id
    assert tokenizer.padding_side == "left" and len(tokenizer) <= model.config.vocab_size


@pytest.mark.long
@pytest.mark.parametrize("offline", ["0", "1"])
def test_a_checkpoint_is_the_same_with_and_without_the_network(tmp_path, offline):
    save = "from train.student import load_tokenizer; load_tokenizer('recipes/tiny_base', None).save_pretrained({!r})"
    environment = os.environ | {"HF_HUB_OFFLINE": offline}
    subprocess.run(
        [sys.executable, "-c", save.format(str(tmp_path))], env=environment, check=True, cwd=REPOSITORY
    )
    told = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert not set(HOW_LOADED) & set(told) and told["pad_token"] == "<|pad|>"


def test_padding_on_the_left_does_not_change_the_logits():
    student = StudentSection(hidden_size=32, layers=2, heads=2, positions=128)
    model = build_model(student, TOKENIZER, 0).eval()
    ids = torch.randint(0, 250, (1, 9), generator=torch.Generator().manual_seed(0))
    pad = torch.full((1, 5), TOKENIZER.pad_token_id)
    mask = torch.cat([torch.zeros(1, 5, dtype=torch.long), torch.ones(1, 9, dtype=torch.long)], 1)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    with torch.no_grad():
        alone = model(input_ids=ids).logits
        padded = model(input_ids=torch.cat([pad, ids], 1), attention_mask=mask, position_ids=positions).logits
    assert (alone - padded[:, 5:]).abs().max() < 1e-5
