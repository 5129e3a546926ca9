"""A taskset of `verifiers` over the rows beside it: install this folder and name it in --env.taskset.id."""

import json
from collections.abc import Iterator
from pathlib import Path

import verifiers.v1 as vf
from boxed import grade


class Data(vf.TaskData):
    """A problem with its gold answer."""

    answer: str


class Task(vf.Task[Data, vf.State, vf.TaskConfig]):
    """A problem that is solved when the box holds the gold answer."""

    @vf.reward
    async def right(self, trace: vf.Trace) -> float:
        """Grade the last reply."""
        return grade(trace.last_reply or "", self.data.answer)


class Taskset(vf.Taskset[Task, vf.TasksetConfig]):
    """The rows of rl/."""

    def load(self) -> Iterator[Task]:
        """Every row as a task."""
        for path in sorted((Path(__file__).parent / "rl").glob("*.jsonl")):
            for line in path.read_text("utf-8").splitlines():
                row = json.loads(line)
                system = [m["content"] for m in row["prompt"] if m["role"] == "system"]
                yield Task(
                    Data(
                        id=row["problem_id"],
                        prompt=row["prompt"][-1]["content"],
                        system_prompt=system[0] if system else None,
                        answer=row["answer"],
                    ),
                    self.config.task,
                )
