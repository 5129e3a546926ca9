"""What the fault server says: answers that depend on the request alone, in every dialect."""

from __future__ import annotations

import hashlib
import json
import zlib

WORDS = [
    "so",
    "let",
    "us",
    "check",
    "the",
    "sum",
    "of",
    "these",
    "two",
    "numbers",
    "again",
    "and",
    "then",
    "add",
    "three",
]


def identity_of(request: dict) -> str:
    prompt = (
        request["messages"][-1]["content"]
        if request["messages"][-1]["role"] == "user"
        else json.dumps(request["messages"])
    )
    return f"{prompt}|{request.get('seed')}|{request.get('max_tokens')}"


def answer(request: dict, identity: str, settings: dict, *, huge: bool = False) -> list[tuple[str, str]]:
    """Pieces of an answer, one token each: (field of the delta, text)."""
    mark = zlib.crc32(identity.encode())
    count = settings["tokens"]
    if isinstance(count, list):
        count = count[0] + mark % (count[1] - count[0] + 1)
    count = min(count, request.get("max_tokens") or count)
    if huge:
        count = 20
    content = settings["text"] or f"The answer is \\boxed{{{mark % 100}}}."
    word = ("\u6570\u5b66\U0001f600 " * 60_000) if huge else None
    number = "" if settings["loop"] else 1 + mark % 1000
    thought = [word or f"{WORDS[i % len(WORDS)]}{number and number + i} " for i in range(count)]
    thought[0] = f"{hashlib.md5(identity.encode()).hexdigest()} "
    style = settings["style"]
    cut = settings["finish"] == "length"
    for part, replies in settings["replies"].items():
        if part in identity:
            reasoning, content = replies[mark % len(replies)]
            thought = [f"{each} " for each in reasoning.split(" ")]
    tail = [] if cut else [content]
    if style in ("reasoning_content", "reasoning"):
        return [(style, t) for t in thought] + [("content", t) for t in tail]
    if style == "inline":
        return [("content", t) for t in ["<think>\n", *thought, *([] if cut else ["\n</think>\n\n"]), *tail]]
    if style == "no_open":
        return [("content", t) for t in [*thought, *([] if cut else ["\n</think>\n\n"]), *tail]]
    if style == "refusal":
        return [("refusal", "I cannot help with that.")]
    return [("content", t) for t in ([*thought] if cut else [content])]


def stretch(request: dict, settings: dict, path: str) -> tuple[list[tuple[str, str]], str]:
    """The part of one long chain that a request asks for, cut at its max_tokens: pieces and finish reason.

    The chain depends on the user's words and the seed only, so its parts fit together in one way.
    """
    users = [m["content"] for m in request["messages"] if m["role"] == "user"]
    mark = hashlib.md5(f"{users}|{request.get('seed')}".encode()).hexdigest()
    # Every second word begins without a space, so that a cut may fall inside what reads as one word.
    words = [f"{' ' if i % 2 else ''}{mark[i % 32]}{i}" for i in range(settings["chain"])]
    tokens = ["<think>\n", *words, "\n</think>\n\n", "It", " is", f" \\boxed{{{int(mark, 16) % 100}}}", "."]
    if settings["style"] == "none":
        tokens = words
    last = request["messages"][-1]
    start = 0
    if last["role"] == "assistant":
        if last.get("prefix"):
            if "/beta/" not in path:
                raise ValueError("prefix needs the beta endpoint")
            so_far = "<think>\n" + last["reasoning_content"]
            so_far += "\n</think>\n\n" + last["content"] if last["content"] else ""
        elif request.get("continue_final_message") and request.get("add_generation_prompt") is False:
            so_far = last["content"]
        else:
            raise ValueError("the last message is the assistant's")
        text = ""
        while text != so_far:
            if start == len(tokens) or not so_far.startswith(text):
                raise ValueError(f"that is not what was said: {so_far!r}")
            text += tokens[start]
            start += 1
    end = min(len(tokens), start + request["max_tokens"])
    close = tokens.index("\n</think>\n\n") if settings["style"] != "none" else -1
    pieces = []
    for i in range(start, end):
        if settings["style"] in ("inline", "none"):
            pieces.append(("content", tokens[i]))
        elif i not in (0, close):
            pieces.append((settings["style"] if i < close else "content", tokens[i]))
    return pieces, "stop" if end == len(tokens) else "length"


def usage(pieces: list, request: dict) -> dict:
    prompt = sum(len(m["content"].split()) for m in request["messages"])
    return {"prompt_tokens": prompt, "completion_tokens": len(pieces), "total_tokens": prompt + len(pieces)}


def whole(pieces: list, request: dict, settings: dict, fault: str | None) -> dict:
    message = {"role": "assistant", "content": None}
    for name, text in pieces:
        message[name] = (message.get(name) or "") + text
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": settings["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": settings["finish"]}],
        "usage": usage(pieces, request),
    }
