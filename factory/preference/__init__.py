"""Preference pairs and their lint, prompts for RL, and the one place where `<think>` tags are put in."""
