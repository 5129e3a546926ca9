"""Defaults that the command line shows; imports nothing."""

DEFAULT_PROMPT = r"Please reason step by step, and put your final answer within \boxed{{}}. {problem}"
