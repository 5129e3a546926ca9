"""Canonical text and word n-grams: one reading of a mathematical text, shared by every room that compares texts."""
