"""The sets of the label benchmark, the fit of the shipped classifier, and agreement with the sets' own labels."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable

import numpy as np
import polars as pl
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from benchmarks.result import SHARED
from factory.config.datasets import DatasetsSection
from factory.datasets.classifier import words_of
from factory.datasets.labels import Domain, cues_of, domain_of, level_of
from factory.datasets.repetition import loop_score
from factory.text.canonical import canonical_text
from schemas import Level

WORDS = 2_500
SCALE = 0.05
LIMIT = DatasetsSection().max_loop_score

MATH_DOMAIN = {
    "Algebra": Domain.ALGEBRA,
    "Intermediate Algebra": Domain.ALGEBRA,
    "Geometry": Domain.GEOMETRY,
    "Number Theory": Domain.NUMBER_THEORY,
}
PATH_DOMAIN = {
    "Applied Mathematics -> Math Word Problems": Domain.ARITHMETIC,
    "Geometry": Domain.GEOMETRY,
    "Algebra -> Linear Algebra": Domain.LINEAR_ALGEBRA,
    "Algebra -> Abstract Algebra": None,
    "Algebra -> Prealgebra": None,
    "Algebra": Domain.ALGEBRA,
    "Calculus": Domain.CALCULUS,
    "Applied Mathematics -> Statistics -> Probability": Domain.PROBABILITY,
    "Applied Mathematics -> Probability": Domain.PROBABILITY,
    "Applied Mathematics -> Statistics": Domain.STATISTICS,
    "Discrete Mathematics -> Logic": Domain.LOGIC,
    "Discrete Mathematics -> Combinatorics": Domain.COMBINATORICS,
    "Precalculus -> Trigonometric Functions": Domain.TRIGONOMETRY,
    "Number Theory": Domain.NUMBER_THEORY,
}


def rows(name: str) -> list[dict]:
    return [json.loads(line) for line in (SHARED / f"{name}.jsonl").open(encoding="utf-8")]


def path_domain(path: str) -> Domain | None:
    """Domain of a path such as `Mathematics -> Geometry -> Plane Geometry`."""
    short = path.removeprefix("Mathematics -> ")
    best = max((key for key in PATH_DOMAIN if short.startswith(key)), key=len, default=None)
    return PATH_DOMAIN[best] if best else None


def math_domain(row: dict) -> Domain | None:
    """MATH's subject as a domain; its mixed subjects are split by cue or left out."""
    cues = cues_of(row["problem"])
    if row["subject"] == "Counting & Probability":
        return Domain.PROBABILITY if Domain.PROBABILITY in cues else Domain.COMBINATORICS
    if row["subject"] == "Precalculus":
        linear, angles = Domain.LINEAR_ALGEBRA in cues, Domain.TRIGONOMETRY in cues
        return Domain.LINEAR_ALGEBRA if linear else Domain.TRIGONOMETRY if angles else None
    return MATH_DOMAIN.get(row["subject"])


def training() -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """(text, class) for domain and for level."""
    math, gsm = rows("seeds/math_train"), rows("seeds/gsm8k_train")
    domain = [(r["problem"], math_domain(r)) for r in math]
    domain += [(r["problem"], Domain.ARITHMETIC) for r in gsm[:2500]]
    domain += [(r["problem"], Domain.ARITHMETIC) for r in rows("seeds/ape210k_valid")[:1000]]
    level = [
        (r["problem"], Level.MIDDLE if r["subject"] == "Prealgebra" else Level.HIGH_SCHOOL) for r in math
    ]
    level += [(r["problem"], Level.ELEMENTARY) for r in gsm]
    level += [(r["problem"], Level.ELEMENTARY) for r in rows("seeds/ape210k_valid")[:2500]]
    level += [(r["problem"], Level.ELEMENTARY) for r in rows("seeds/tal_scq5k_en_train")[:1500]]
    level += [(r["problem"], Level.HIGH_SCHOOL) for r in rows("seeds/deepscaler_aime_1983_2023")]
    for r in rows("seeds/bigmath_tinyv_5000"):
        paths = r["domain"]
        found = {path_domain(path) for path in paths} - {None}
        if len(found) == 1:
            domain.append((r["problem"], found.pop()))
        if any(("Calculus ->" in p and "Precalculus" not in p) or "Linear Algebra" in p for p in paths):
            level.append((r["problem"], Level.COLLEGE))
    named = lambda pairs: [(text, label.value) for text, label in pairs if label is not None]  # noqa: E731
    return named(domain), named(level)


def fit(pairs: list[tuple[str, str]], penalty: float = 2.0) -> dict:
    """Multinomial logistic regression, classes weighted evenly up to a factor."""
    bags = [words_of(text) for text, _ in pairs]
    counts = Counter(word for bag in bags for word in bag)
    classes = sorted({label for _, label in pairs})
    vocabulary = {word: i for i, (word, n) in enumerate(counts.most_common(WORDS)) if n >= 5}
    index = [[vocabulary[w] for w in bag if w in vocabulary] for bag in bags]
    starts = np.concatenate([[0], np.cumsum([len(x) for x in index])])
    flat = np.concatenate([np.array(x, int) for x in index])
    x = csr_matrix((np.ones(len(flat)), flat, starts), shape=(len(pairs), len(vocabulary)))
    y = np.array([classes.index(label) for _, label in pairs])
    share = np.bincount(y) / len(y)
    weight = (1 / share[y]) ** 0.5
    weight /= weight.mean()
    target = np.eye(len(classes))[y]

    def loss(flatly: np.ndarray) -> tuple[float, np.ndarray]:
        w = flatly.reshape(len(vocabulary) + 1, len(classes))
        raw = x @ w[:-1] + w[-1]
        raw -= raw.max(axis=1, keepdims=True)
        logp = raw - np.log(np.exp(raw).sum(axis=1, keepdims=True))
        error = (np.exp(logp) - target) * weight[:, None]
        value = -(weight * logp[np.arange(len(y)), y]).sum() + 0.5 * penalty * (w[:-1] ** 2).sum()
        grad = np.vstack([x.T @ error + penalty * w[:-1], error.sum(axis=0)])
        return value, grad.ravel()

    best = minimize(
        loss,
        np.zeros((len(vocabulary) + 1) * len(classes)),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 150},
    ).x.reshape(-1, len(classes))
    steps = np.rint(best[:-1] / SCALE).astype(int)
    words = {w: steps[i].tolist() for w, i in sorted(vocabulary.items()) if steps[i].any()}
    return {"classes": classes, "scale": SCALE, "bias": np.round(best[-1], 3).tolist(), "weights": words}


def canonical(texts: list[str]) -> set[str]:
    """Canonical texts."""
    return set(canonical_text(pl.Series(texts)))


def unseen(test: list[dict], seeds: set[str]) -> list[dict]:
    """Rows whose canonical text stands in no seed."""
    texts = canonical_text(pl.Series([r["problem"] for r in test]))
    return [row for row, text in zip(test, texts, strict=True) if text not in seeds]


def agreements(seen: set[str]) -> dict:
    """Agreement with held-out labels."""
    domain: dict[str, list[tuple[str, str]]] = {}
    math = unseen(rows("benchmarks/math_test"), seen)
    domain["MATH test"] = [(r["problem"], d.value) for r in math if (d := math_domain(r))]
    omni = unseen(rows("benchmarks/omni_math_rule"), seen)
    single = [(r, {path_domain(p) for p in r["domain"]}) for r in omni]
    domain["Omni-MATH"] = [
        (r["problem"], next(iter(d)).value) for r, d in single if len(d) == 1 and None not in d
    ]
    domain["MMLU science, by which the rule was chosen"] = [
        (r["problem"], Domain.OTHER.value)
        for r in rows("benchmarks/mmlu_stem")
        if not re.search("math|algebra|statistics", r["subject"])
    ]
    level: dict[str, list[tuple[str, str]]] = {
        "GSM8K test": [(r["problem"], "elementary") for r in unseen(rows("benchmarks/gsm8k_test"), seen)],
        "MATH test": [
            (r["problem"], "middle" if r["subject"] == "Prealgebra" else "high_school") for r in math
        ],
        "AIME 24-26": [
            (r["problem"], "high_school") for n in (24, 25, 26) for r in rows(f"benchmarks/aime{n}")
        ],
        "College math": [
            (r["problem"], "college")
            for r in rows("benchmarks/college_math")
            if r["topic"].split(".")[1] not in ("algebra", "precalculus")
        ],
        "MMLU mathematics": [
            (r["problem"].split("\n(A)")[0], r["subject"].removesuffix("_mathematics"))
            for r in rows("benchmarks/mmlu_stem")
            if r["subject"] in ("elementary_mathematics", "high_school_mathematics", "college_mathematics")
        ],
        "CN middle school": [(r["problem"], "middle") for r in rows("benchmarks/cn_middle_school")],
    }
    return {
        "domain": {name: agreement(pairs, lambda p: domain_of(p).value) for name, pairs in domain.items()},
        "level": {name: agreement(pairs, lambda p: level_of(p).value) for name, pairs in level.items()},
    }


def agreement(pairs: list[tuple[str, str]], label: Callable[[str], str]) -> dict:
    """Share of equal labels; for levels also the share at most one level off."""
    order = [level.value for level in Level]
    began = time.perf_counter()
    got = [label(text) for text, _ in pairs]
    seconds = time.perf_counter() - began
    gold = [label for _, label in pairs]
    result = {
        "rows": len(pairs),
        "equal": float(np.mean([a == b for a, b in zip(got, gold, strict=True)])),
        "per_second": round(len(pairs) / seconds),
        "confusion": {f"{b} as {a}": n for (a, b), n in Counter(zip(got, gold, strict=True)).most_common(12)},
    }
    if all(label in order for label in gold):
        off = [abs(order.index(a) - order.index(b)) for a, b in zip(got, gold, strict=True)]
        result["within_one"] = float(np.mean([d <= 1 for d in off]))
    return result


def repetition() -> dict:
    """Loop scores of real traces."""
    result = {}
    for name in ("openmathreasoning_mini_r1_72", "mip_overthinking_long_cot", "mip_overthinking_math_illposed",
                 "prmbench_qwq", "qwen_math_cot_100", "steering_r1_distill"):  # fmt: skip
        texts = [r["response"] for r in rows(f"traces/{name}")]
        began = time.perf_counter()
        scores = np.array([loop_score(text) for text in texts])
        seconds = time.perf_counter() - began
        result[name] = {
            "traces": len(texts),
            "median": float(np.median(scores)),
            "p99": float(np.quantile(scores, 0.99)),
            "most": float(scores.max()),
            "above_limit": int((scores > LIMIT).sum()),
            "mb_per_second": round(sum(map(len, texts)) / 1e6 / seconds, 1),
        }
    return result
