"""Translators between a wire and the vocabulary. No rules, no tables."""
