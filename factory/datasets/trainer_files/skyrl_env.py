"""SkyRL's environment for these rows: import it in the function that starts training, and it is registered."""

from typing import Any

from boxed import grade
from skyrl_gym.envs import register
from skyrl_gym.envs.base_text_env import BaseTextEnv, BaseTextEnvStepOutput


class BoxedEnv(BaseTextEnv):
    """One answer, graded by its box."""

    def __init__(self, env_config: Any = None, extras: dict[str, Any] | None = None) -> None:
        """Keep the gold answer."""
        super().__init__()
        self.gold = (extras or {})["reward_spec"]["ground_truth"]

    def step(self, action: str) -> Any:
        """Grade the answer."""
        reward = grade(action, self.gold)
        return BaseTextEnvStepOutput(observations=[], reward=reward, done=True, metadata={})


register(id="boxed", entry_point="skyrl_env:BoxedEnv")
