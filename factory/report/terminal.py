"""Text of models and sources made safe for a terminal."""

from factory.redaction import printable

__all__ = ["printable"]
