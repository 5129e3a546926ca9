"""The whole recipe: its sections in the order in which the pipeline uses them."""

from __future__ import annotations

from pydantic import Field, model_validator

from factory.config.base import Section
from factory.config.datasets import DatasetsSection
from factory.config.decontamination import DecontaminationSection
from factory.config.deduplication import ProblemDeduplicationSection, ResponseDeduplicationSection
from factory.config.difficulty import DifficultySection
from factory.config.endpoint import Budget, gather_budget
from factory.config.evaluation import EvaluationSection
from factory.config.generate import GenerateSection
from factory.config.preference import PreferenceSection, RLPromptsSection
from factory.config.problems import ProblemsSection
from factory.config.train import TrainSection
from factory.config.verify import VerifySection


class Recipe(Section):
    """Everything that decides what a run makes."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """Names the run's folder: `runs/NAME`."""
    description: str = ""
    """One paragraph for the report and the data card."""
    seed: int = 0
    """Every random choice of the run derives from it."""
    budget: Budget = Budget()
    """What teacher, student and judges may cost together, over all attempts at the run."""
    problems: ProblemsSection
    """Where problems come from."""
    deduplication: ProblemDeduplicationSection = ProblemDeduplicationSection()
    """Near-duplicates among problems."""
    decontamination: DecontaminationSection = DecontaminationSection()
    """Benchmarks that the data must not contain."""
    generate: GenerateSection = GenerateSection()
    """The teacher."""
    verify: VerifySection = VerifySection()
    """Checking answers."""
    response_deduplication: ResponseDeduplicationSection = ResponseDeduplicationSection()
    """Near-duplicates among responses."""
    datasets: DatasetsSection = DatasetsSection()
    """The midtrain and sft sets."""
    difficulty: DifficultySection = DifficultySection()
    """Student rollouts."""
    preference: PreferenceSection = PreferenceSection()
    """Pairs for Rollout DPO."""
    rl_prompts: RLPromptsSection = RLPromptsSection()
    """Prompts for RL."""
    train: TrainSection | None = TrainSection()
    """The trainer; `null` ends the run with the midtrain and sft sets, or with all four where `difficulty.student` is not
    the run's own checkpoint."""
    evaluation: EvaluationSection = EvaluationSection()
    """Evaluation after every stage."""

    _earlier = model_validator(mode="before")(gather_budget)
