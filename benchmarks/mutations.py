"""Ways in which a benchmark problem turns up in training data without being copied letter by letter."""

from __future__ import annotations

import random
import re

_MATH = re.compile(r"\$\$.+?\$\$|\$.+?\$|\\\(.+?\\\)|\\\[.+?\\\]", re.DOTALL)
_VARIABLE = re.compile(r"(?<![A-Za-z\\])[a-zA-Z](?![A-Za-z])")
_OPTION = re.compile(r"\n\(([A-J])\) ")
_WRAPS = (
    ("Return your final response within \\boxed{}. ", ""),
    (
        "Solve the following math problem step by step. The last line should be of the form Answer: $Answer.\n\n",
        "",
    ),
    ("", "\nPlease reason step by step, and put your final answer within \\boxed{}."),
    (
        "### Question:\n",
        "\n\n### Think carefully before you answer. If you are not sure, say so.\n### Answer:",
    ),
    (
        "You are a helpful assistant and a patient teacher. A student asks you: ",
        " Explain every step to the student.",
    ),
)


def respaced(text: str, rng: random.Random) -> str:
    r"""Other LaTeX for the same formula: `\dfrac`, `\left(`, thin spaces, spaces round operators, `\( \)`."""

    def change(match: re.Match[str]) -> str:
        inner = match.group()
        bare = inner.strip("$") if inner.startswith("$") else inner[2:-2]
        bare = re.sub(r"\\frac(?![a-z])", r"\\dfrac", bare)
        bare = re.sub(r"(?<!\\left)(?<!\\)\((.*?)(?<!\\right)\)", r"\\left( \1 \\right)", bare)
        bare = re.sub(r"\s*([=+<>])\s*", r" \1 ", bare)
        bare = re.sub(r"\^(\w)", r"^{\1}", bare).replace("\\ldots", "\\dots").replace("\\le ", "\\leq ")
        return f"\\({bare}\\,\\)" if rng.random() < 0.5 else f"$ {bare} $"

    return re.sub(r"[ \t]+", "  ", _MATH.sub(change, text))


def wrapped(text: str, rng: random.Random) -> str:
    """Between instructions."""
    before, after = rng.choice(_WRAPS)
    return f"{before}{text}{after}"


def recased(text: str, rng: random.Random) -> str:
    """Other case, other punctuation."""
    kept = re.sub(r"[.,;:?!\"'](?=\s|$)", lambda m: rng.choice(["", m.group(), " ;"]), text)
    parts = re.split(r"(\\[A-Za-z]+)", kept)
    fold = str.upper if rng.random() < 0.5 else str.lower
    return "".join(part if part.startswith("\\") else fold(part) for part in parts)


def renamed(text: str, rng: random.Random) -> str:
    """Every variable of the formulas under another letter, the same one everywhere."""
    letters = list("abcdfghjkmnpqrstuvwxyz")
    names: dict[str, str] = {}

    def change(match: re.Match[str]) -> str:
        old = match.group()
        if old not in names:
            new = rng.choice([c for c in letters if c not in names.values() and c != old.lower()] or letters)
            names[old] = new.upper() if old.isupper() else new
        return names[old]

    return _MATH.sub(lambda m: _VARIABLE.sub(change, m.group()), text)


def shuffled(text: str, rng: random.Random) -> str | None:
    """Options in another order; None when the text has none."""
    parts = _OPTION.split(text)
    if len(parts) < 5:
        return None
    options = parts[2::2]
    if len(set(options)) < 2:
        return None
    order = options[:]
    while order == options:
        rng.shuffle(order)
    return parts[0] + "".join(
        f"\n({letter}) {option}" for letter, option in zip("ABCDEFGHIJ", order, strict=False)
    )


MUTATIONS = {
    "respaced": respaced,
    "wrapped": wrapped,
    "recased": recased,
    "renamed": renamed,
    "shuffled": shuffled,
}
