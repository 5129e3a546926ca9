"""What the loader scripts share. They run in a trainer's own environment, which does not hold the factory."""

import json
import sys
from pathlib import Path

from transformers import AutoTokenizer

FOLDER, TOKENIZER = Path(sys.argv[1]), sys.argv[2]
tokenizer = AutoTokenizer.from_pretrained(TOKENIZER)


def path(name):
    """The file of a set."""
    return str(next((FOLDER / name).glob("train-*")))


def whole(messages):
    """A dialogue as the student's template shows it."""
    return tokenizer.apply_chat_template(messages, tokenize=False)


def begun(messages):
    """A prompt, up to where the answer begins."""
    return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)


def decoded(tokens):
    """Text of token ids."""
    return tokenizer.decode(tokens, skip_special_tokens=False, clean_up_tokenization_spaces=False)


WRONG = "\\boxed{77777}"


def graded(reward, right):
    """What a reward gives for a right answer, and for a wrong one."""
    return {"graded": float(reward(right) or 0), "wrong": float(reward(f"so {WRONG}") or 0)}


def done(loader, **sets):
    """Hand the rows to the test: rows of each set, each a dict of texts."""
    print("\nROWS " + json.dumps({"loader": loader, "sets": sets}))
