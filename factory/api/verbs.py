"""The verbs as functions: rows in, a `Result` out; settings are the keys of the recipe's section."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import ValidationError

from factory.api.functions import named, referenced
from factory.api.result import Deduplication, Export, Import, Result
from factory.api.rows import CACHE, Rows, folder_of, to_paths
from factory.config.base import Section, faults
from factory.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

    from factory.steps.estimate import Estimate

S = TypeVar("S", bound=Section)


def import_(
    source: Rows, out: str | Path | None = None, *, fields: dict[str, str] | None = None, **reading: Any
) -> Import:
    """Problems, and the traces that came with them, from rows of any layout (`factory import`).

    Args:
        source: see `factory.api.rows.Rows`.
        out: folder; one below .factory/ by default, where the same call finds its result again.
        fields: where a field is, such as {"answer": "reward_model.ground_truth"}.
        **reading: keys of a source: layout, split, config, revision, licence, limit ...

    Raises:
        UsageError: nothing can be read, or nothing says where the problems are.
    """
    from factory.config.problems import SourceSection
    from factory.steps.imports import run

    paths = to_paths(source, CACHE)
    sources = [section(SourceSection, {**reading, "path": path, "fields": fields or {}}) for path in paths]
    folder = folder_of("import", out, paths, fields, reading)
    done = run(sources, folder / "problems", folder / "responses")
    responses = Result(folder / "responses", done[1]) if len(done) > 1 else None
    return Import(folder / "problems", done[0], responses)


def generate(
    problems: Rows,
    out: str | Path | None = None,
    *,
    store: str | Path | None = None,
    seed: int = 0,
    limit: int | None = None,
    **settings: Any,
) -> Result:
    """Have a teacher answer problems; only what is missing is asked for (`factory generate`).

    Args:
        problems: rows with a problem and, where there is one, an answer.
        out: folder; one below .factory/ by default.
        store: response store; $FACTORY_STORE, or inside `out`.
        seed: of every random choice.
        limit: first problems only.
        **settings: keys of `generate:`: teacher, samples, max_usd, base_url ...; `prompt` may be a function.

    Raises:
        UsageError: the endpoint or the settings cannot be used.
        Stopped: the budget is spent; what was bought is safe, and the same call goes on.
    """
    from factory.cli.params import store_folder
    from factory.config.generate import GenerateSection
    from factory.steps.generate import run_files

    paths = to_paths(problems, CACHE)
    folder = folder_of("generate", out, paths, named(settings), seed, limit)
    asked = section(GenerateSection, referenced(settings, CACHE))
    return Result(
        folder,
        run_files(
            paths,
            folder,
            asked,
            store=store_folder(Path(store) if store else None, folder),
            seed=seed,
            limit=limit,
        ),
    )


def preview(
    problems: Rows,
    n: int = 3,
    out: str | Path | None = None,
    *,
    store: str | Path | None = None,
    seed: int = 0,
    limit: int | None = None,
    **settings: Any,
) -> tuple[pl.DataFrame, Estimate]:
    """Ask `n` problems once, before the whole job is paid for; `generate` takes their answers over.

    Args:
        problems: as for `generate`, like the other arguments.
        n: problems to ask.
        out: folder of the job.
        store: response store of the job.
        seed: of the draw.
        limit: first problems only.
        **settings: keys of `generate:`.

    Returns:
        The answers with their verdicts, and the forecast of tokens, dollars and hours.

    Raises:
        UsageError: the endpoint or the settings cannot be used.
        FactoryError: nothing was answered.
    """
    from factory.cli.params import store_folder
    from factory.config.generate import GenerateSection
    from factory.steps import estimate

    paths = to_paths(problems, CACHE)
    folder = folder_of("generate", out, paths, named(settings), seed, limit)
    asked = section(GenerateSection, referenced(settings, CACHE))
    kept = store_folder(Path(store) if store else None, folder)
    found, answers = estimate.run(paths, folder, asked, store=kept, seed=seed, pilot=n, limit=limit)
    return answers, found


def verify(responses: Rows, out: str | Path | None = None, **settings: Any) -> Result:
    """A verdict for every response: correct, incorrect, unverifiable, no_answer, timeout (`factory verify`).

    Args:
        responses: rows with a gold and a response, in any layout that `factory verify` reads.
        out: folder; one below .factory/ by default.
        **settings: keys of `verify:`; `checker` may be a function.

    Raises:
        UsageError: a column is missing, or a setting is wrong.
    """
    from factory.config.verify import VerifySection
    from factory.steps import verify as step

    paths = to_paths(responses, CACHE)
    folder = folder_of("verify", out, paths, named(settings))
    return Result(folder, step.run(paths, folder, section(VerifySection, referenced(settings, CACHE))))


def dedup(
    rows: Rows, out: str | Path | None = None, *, field: str = "problem", **settings: Any
) -> Deduplication:
    """One row of every cluster of duplicates (`factory dedup`).

    Args:
        rows: any rows.
        out: folder; one below .factory/ by default.
        field: column to compare by; `reasoning` compares responses.
        **settings: keys of `deduplication:`: threshold, against ...

    Raises:
        UsageError: there is no such column, or a setting is wrong.
    """
    from factory.config.deduplication import DeduplicationSection
    from factory.steps import deduplicate

    paths = to_paths(rows, CACHE)
    folder = folder_of("dedup", out, paths, field, {k: v for k, v in settings.items() if k != "threshold"})

    def again(threshold: float) -> Deduplication:
        asked = section(DeduplicationSection, {**settings, "threshold": threshold})
        return Deduplication(folder, deduplicate.rethreshold(paths, folder, asked, field=field), again)

    asked = section(DeduplicationSection, settings)
    return Deduplication(folder, deduplicate.run(paths, folder, asked, field=field), again)


def decontaminate(
    rows: Rows,
    against: str | Sequence[str] = "paper",
    out: str | Path | None = None,
    *,
    field: str | Sequence[str] = "problem",
    **settings: Any,
) -> Result:
    """The rows that hold no benchmark problem; `folder/__side` holds the certificate (`factory decontaminate`).

    Args:
        rows: any rows, chat columns too (`field="messages"`).
        against: benchmarks by name, `paper`, `all`, or files of one's own.
        out: folder; one below .factory/ by default.
        field: column or columns to look in.
        **settings: keys of `decontamination:`.

    Raises:
        UsageError: there is no such benchmark or column, or a setting is wrong.
    """
    from factory.config.decontamination import DecontaminationSection
    from factory.steps import decontaminate as step

    paths, fields = to_paths(rows, CACHE), [field] if isinstance(field, str) else list(field)
    names = [against] if isinstance(against, str) else list(against)
    folder = folder_of("decontaminate", out, paths, names, fields, settings)
    asked = section(DecontaminationSection, {**settings, "against": names})
    return Result(folder, step.run(paths, folder, asked, fields=fields))


def difficulty(
    problems: Rows,
    out: str | Path | None = None,
    *,
    student: str,
    store: str | Path | None = None,
    seed: int = 0,
    **settings: Any,
) -> Result:
    """How hard problems are for a student, by its rollouts, which lie in `folder/__rollouts` (`factory difficulty`).

    Args:
        problems: rows with a problem and an answer.
        out: folder; one below .factory/ by default.
        student: a preset, or `transformers` with `model=` a folder.
        store: response store.
        seed: of every random choice.
        **settings: keys of `difficulty:`; `prompt` and `system` as the student sees them.

    Raises:
        UsageError: the student cannot be used, or a setting is wrong.
    """
    from factory.cli.params import store_folder
    from factory.config.datasets import DatasetsSection
    from factory.config.difficulty import DifficultySection
    from factory.config.problems import ProblemsSection
    from factory.steps.from_files import roll_out

    prompting, settings = _prompting(settings)
    paths = to_paths(problems, CACHE)
    folder = folder_of("difficulty", out, paths, student, settings, prompting, seed)
    done = roll_out(
        section(ProblemsSection, {"sources": paths}),
        folder,
        section(DifficultySection, {**settings, "student": student}),
        section(DatasetsSection, prompting),
        store=store_folder(Path(store) if store else None, folder),
        seed=seed,
    )
    return Result(folder, done)


def pairs(
    verdicts: Rows,
    out: str | Path | None = None,
    *,
    rollouts: Rows | None = None,
    seed: int = 0,
    **settings: Any,
) -> Result:
    """Preference pairs of right and wrong answers to the same problem, and their lint (`factory pairs`).

    Args:
        verdicts: verified responses of the teacher.
        out: folder; one below .factory/ by default.
        rollouts: verified rollouts of the student, whose wrong answers are then rejected too.
        seed: of every random choice.
        **settings: keys of `preference:`; `prompt` and `system` as the student sees them.

    Raises:
        UsageError: columns are missing, or a setting is wrong.
        FactoryError: no pair is left, or the lint finds a bias.
    """
    from factory.config.datasets import DatasetsSection
    from factory.config.preference import PreferenceSection
    from factory.steps.from_files import pair

    prompting, settings = _prompting(settings)
    given, own = to_paths(verdicts, CACHE), to_paths(rollouts, CACHE) if rollouts is not None else []
    folder = folder_of("pairs", out, given, own, settings, prompting, seed)
    asked, wording = section(PreferenceSection, settings), section(DatasetsSection, prompting)
    return Result(folder, pair(given, own, folder, asked, wording, seed=seed))


def select(
    verdicts: Rows,
    dataset: Literal["midtrain", "sft", "preference", "rl"] = "sft",
    out: str | Path | None = None,
    *,
    seed: int = 0,
    **settings: Any,
) -> Result:
    """One of the four training sets from verified responses (`factory select`); `pairs` has the settings of pairs.

    Args:
        verdicts: verified responses.
        dataset: midtrain (every eligible response), sft (a balanced part), preference or rl.
        out: folder; one below .factory/ by default.
        seed: of every draw.
        **settings: keys of `datasets:`; `label` and `filter` may be functions.

    Raises:
        UsageError: columns are missing, or a setting is wrong.
        FactoryError: nothing is left; says why.
    """
    from factory.config.datasets import DatasetsSection
    from factory.config.preference import PreferenceSection, RLPromptsSection
    from factory.steps.from_files import select_set

    paths = to_paths(verdicts, CACHE)
    folder = folder_of("select", out, paths, dataset, named(settings), seed)
    asked = section(DatasetsSection, referenced(settings, CACHE))
    done = select_set(
        paths, dataset, folder, asked, pairs=PreferenceSection(), prompts=RLPromptsSection(), seed=seed
    )
    return Result(folder, done)


def export(
    source: Result | str | Path,
    trainer: str,
    out: str | Path | None = None,
    *,
    reasoning: Literal["tags", "field", "none"] | None = None,
    system: str | None = None,
    student: str | None = None,
) -> Export:
    """The sets of a run, or one set, in another trainer's format (`factory export`).

    Args:
        source: a run, or a set's folder or result.
        trainer: see docs/export.md.
        out: folder; one below .factory/ by default.
        reasoning: where traces go; as the trainer takes them by default.
        system: system message of every row; empty for none.
        student: the model to train.

    Raises:
        UsageError: there is no set that this trainer can use.
    """
    from factory.publishing.trainer_exports import export_sets

    taken = source.folder if isinstance(source, Result) else Path(source)
    folder = folder_of("export", out, taken, trainer, reasoning, system)
    done, left_out, files = export_sets(
        taken, folder, trainer, reasoning=reasoning, system=system, model=student
    )
    return Export({name: Result(folder / name, each) for name, each in done.items()}, files, left_out)


def section(kind: type[S], settings: dict[str, Any]) -> S:
    """Settings as a section of the recipe.

    Raises:
        UsageError: a key or a value is wrong; names each.
    """
    try:
        return kind(**settings)
    except ValidationError as error:
        said = (
            f"{'.'.join(path)}: {what}" + (f" - {do}" if do else "") for path, what, do in faults(error, kind)
        )
        raise UsageError("; ".join(said)) from None


def _prompting(settings: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The wording of the prompt, and the other settings."""
    words: dict[str, Any] = {name: settings[name] for name in ("prompt", "system") if name in settings}
    return words, {name: value for name, value in settings.items() if name not in words}
