"""verifiers: the exported taskset, loaded and scored as prime-rl does."""

import sys

from common import FOLDER, begun, done, graded

sys.path.insert(0, str(FOLDER))
import boxed
import taskset
import verifiers.v1 as vf

rl = []
for task in taskset.Taskset(vf.TasksetConfig()):
    data = task.data
    system = [{"role": "system", "content": data.system_prompt}] if data.system_prompt else []
    prompt = begun([*system, {"role": "user", "content": data.prompt_text}])
    score = lambda text, gold=data.answer: boxed.grade(text, gold)  # noqa: E731
    rl.append({"prompt": prompt, "gold": data.answer, **graded(score, f"so \\boxed{{{data.answer}}}")})
done("verifiers.v1.Taskset", rl=rl)
