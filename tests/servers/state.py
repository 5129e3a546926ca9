"""What the fault server is set to, what it was asked, and which fault comes next."""

from __future__ import annotations

import random
import time

DEFAULTS = {
    "style": "reasoning_content",
    "tokens": 20,
    "chunk": 1,
    "rate": None,
    "tick": 0.0,
    "latency": 0.0,
    "faults": {},
    "per_request": 3,
    "capacity": None,
    "key": None,
    "text": None,
    "replies": {},
    "finish": "stop",
    "model": "fake-r1",
    "usage": True,
    "loop": False,
    "chain": None,
    "seed": 0,
    "retry_after": 0.05,
}
FAULTS = (
    "429",
    "429_after",
    "429_date",
    "500",
    "502",
    "503",
    "reset_before",
    "reset_during",
    "stall",
    "bad_json",
    "bad_sse",
    "html",
    "empty_choices",
    "error_event",
    "dup_finish",
    "split_unicode",
    "no_done",
    "huge",
    "no_usage",
)


class Server:
    def __init__(self, settings: dict) -> None:
        self.set(settings)
        self.asked: dict[str, int] = {}
        self.completed: list[str] = []
        self.ends: list[float] = []
        self.hang_ups: list[float] = []
        self.times: list[tuple[float, int]] = []
        self.last = 0.0
        self.faulted: dict[str, int] = {}
        self.suffered: dict[str, int] = {}
        self.open = self.most_open = self.aborted = self.chunks = 0
        self.prompt_tokens = self.completion_tokens = 0
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict] = {}

    def set(self, settings: dict) -> None:
        self.settings = {**DEFAULTS, **settings}
        self.random = random.Random(self.settings["seed"])

    def stats(self) -> dict:
        return {
            "asked": sum(self.asked.values()),
            "identities": len(self.asked),
            "completed": len(self.completed),
            "completed_identities": len(set(self.completed)),
            "faults": self.faulted,
            "open": self.open,
            "most_open": self.most_open,
            "aborted": self.aborted,
            "chunks": self.chunks,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "first": self.times[0][0] if self.times else 0.0,
            "last": self.last,
        }

    def deliver(self, request: dict, pieces: int) -> None:
        """Count what a client pays for: the words of the prompt, and the pieces of the answer."""
        self.prompt_tokens += sum(len(m["content"].split()) for m in request["messages"])
        self.completion_tokens += pieces

    def complete(self, identity: str) -> None:
        self.completed.append(identity)
        self.last = time.monotonic()
        self.ends.append(self.last)

    def fault(self, identity: str) -> str | None:
        faults = self.settings["faults"]
        if not faults or self.suffered.get(identity, 0) >= self.settings["per_request"]:
            return None
        draw = self.random.random()
        for name, share in faults.items():
            draw -= share
            if draw < 0:
                self.suffered[identity] = self.suffered.get(identity, 0) + 1
                self.faulted[name] = self.faulted.get(name, 0) + 1
                return name
        return None
