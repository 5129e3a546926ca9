"""Problems that are not mathematics: the words by which science and computing are recognised.

The classifier knows mathematics alone and would call chemistry arithmetic. A problem is of another subject when it
uses that subject's own terms, or many words that no labelled mathematics problem has. `benchmarks/labels.py` measures
it on MMLU's science subjects and on mathematics.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from factory.datasets.classifier import READ, shipped

_TERMS = re.compile(
    r"molar(?:ity)?|molecul\w+|isotopes?|(?:an|cat)?ions?|ionic|oxid(?:e|es|ation|ized|izing)|acidic|titrat\w+"
    r"|stoichiometr\w+|enthalp\w+|catalys\w+|covalent|benzene|hydroly\w+|polymers?|solubility|spectroscop\w+|nmr|epr"
    r"|isomers?|isomerism|ligands?|metalloid|radioactive"
    r"|electrons?|protons?|neutrons?|photons?|quantum|wavelengths?|magnetic|capacit(?:or|ance)s?|resistors?"
    r"|induct(?:or|ance)s?|transistors?|diodes?|voltages?|joules?|kelvins?|pascals?|hertz|tesla|coulombs?|nuclei|nucleus"
    r"|orbitals?|thermodynamic\w*|isothermal\w*|adiabatic\w*|refracti\w+|diffraction|semiconductors?|armature|amplifiers?"
    r"|membranes?|proteins?|enzymes?|dna|m?rna|chromosom\w+|alleles?|genotyp\w+|phenotyp\w+|genes?|genetic\w*|mitosis"
    r"|meiosis|photosynthe\w+|bacteri\w+|virus(?:es)?|organisms?|mutations?|mitochondri\w+|eukaryot\w+|hormones?|neurons?"
    r"|tissues?|predators?|ecosystems?|taxonom\w+|evolution(?:ary)?"
    r"|galax(?:y|ies)|planets?|asteroids?|comets?|supernova\w*|redshift|telescopes?"
    r"|algorithms?|compilers?|python|pseudocode|tcp|http|malware|encryption|cryptograph\w+|passwords?|cpu|cache"
    r"|processors?|software|neural|overfitting|boolean|bytes?"
)
"""Terms of science and computing that seldom stand in a mathematics problem."""
_SHARED = re.compile(
    r"mass(?:es)?|velocit(?:y|ies)|accelerat\w+|forces?|friction\w*|pressures?|temperatures?|densit(?:y|ies)"
    r"|energ(?:y|ies)|kinetic|momentum|gravit\w+|mol(?:es?)?|concentrations?|react(?:s|ed|ants?|ions?)?|gas(?:es)?|ph"
    r"|compounds?|species|populations?|currents?|charges?|electric\w*|fields?|waves?|frequenc(?:y|ies)|light|lens(?:es)?"
    r"|heat\w*|atom\w*|chemical\w*|acids?|bases?|salts?|metals?|hydrogen|oxygen|nitrogen|carbon|sodium|helium|chlor\w+"
    r"|sulfur\w*|aqueous|equilibrium|buffer|decay|radical|spins?|orbits?|stars?|sun|moon|earth|mars|venus|jupiter"
    r"|cells?|plants?|animals?|blood|disease|muscle|program\w*|codes?|networks?|security|attack\w*|memory|servers?|users?"
    r"|files?|input|output|classif\w+|model|machine|motor|coil|windings?|conductors?|insulat\w+|signals?|bits?|binary"
    r"|circuits?|lasers?|sound|spring|pendulum|projectile|satellite|vacuum|liquid|boil\w*|freez\w*|bonds?|resonance"
)
"""Terms that mathematics problems share; several of them, or one beside a term of `_TERMS`, count."""
_PHRASES = re.compile(
    r"\b(?:chemical (?:symbol|element|formula)|periodic table|atomic (?:number|mass)|molar mass|formula units?|compound has the formula|name of the substance"
    r"|SI (?:base )?unit|the SI|metric prefix|physical quantity|kinetic energy|potential difference|carries a current"
    r"|amino acids?|organ systems?|class of animals|Python function)\b",
    re.IGNORECASE,
)
"""One of these is enough."""
_TOPICS = re.compile(
    r"\b(?:(?:therm|bar|am|volt|hygr|anem|alti|hydr|dynam|tach|phot)o?meter"
    r"|instrument measures|seismograph|group of animals|part of a cell|in a cell|bacteri(?:um|a)|illness|science of"
    r"|constellation|in the sky|planet|moon|around the sun|base units?|prefix)\b",
    re.IGNORECASE,
)
"""One of these is enough where nothing is to be computed."""
_CHINESE = re.compile(r"摩尔|电子|原子|分子|离子|质子|细胞|蛋白|基因|电阻|电压|电流|化学|物理|生物|氧化")
_NOTATION = re.compile(
    r"\((?:aq|s|g|l)\)|\d ?(?:g/mol|k?J|nm|[kM]?eV|[kM]?Hz|mol|atm|mmHg|k?Pa|N/m|ohms?|Ω|kV|mA|[µp]F|mT)\b"
)
"""States of matter, and units of chemistry and physics."""
_WORD = re.compile(r"(\\?)\b([a-zA-Z]{2,})")


def is_other_subject(problem: str) -> bool:
    """True for a problem of science or computing rather than of mathematics."""
    text = problem[:READ]
    if _PHRASES.search(text) or (_TOPICS.search(text) and not re.search(r"\d", text)):
        return True
    words = {word.lower() for command, word in _WORD.findall(text) if not command}
    kinds = [_kind(word) for word in words]
    terms, shared = kinds.count("term") + len(set(_CHINESE.findall(text))), kinds.count("shared")
    unknown = len(words - _known())
    share = unknown / max(len(words), 1)
    if terms:
        return terms > 1 or shared > 0 or bool(_NOTATION.search(text)) or share > 0.2 or unknown >= 3
    if shared and _NOTATION.search(text):
        return True
    if (shared >= 3 and share > 0.15) or (shared >= 2 and share > 0.25):
        return True
    return len(words) >= 4 and share > 0.3 and not re.search(r"[\d$\\]", text)


@lru_cache(maxsize=50_000)
def _kind(word: str) -> str:
    return "term" if _TERMS.fullmatch(word) else "shared" if _SHARED.fullmatch(word) else ""


@cache
def _known() -> frozenset[str]:
    """Words of labelled mathematics problems."""
    return frozenset(shipped("domain").vocabulary) | frozenset(shipped("level").vocabulary)
