"""Canonical text and word n-grams: one reading of a mathematical text, shared by every room that compares texts."""

from factory.text.canonical import canonical_text
from factory.text.ngrams import ngram_hashes, word_ngram_hashes
from factory.text.tokens import Kind, Tokens, tokenize

__all__ = ["Kind", "Tokens", "canonical_text", "ngram_hashes", "tokenize", "word_ngram_hashes"]
