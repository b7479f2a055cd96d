"""Mirrors the packages; facts that no single package owns live in folders of their own."""
