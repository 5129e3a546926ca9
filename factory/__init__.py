"""A chain-of-thought dataset factory: problems in, verified, deduplicated, decontaminated training sets out."""

__version__ = "0.1.0"
