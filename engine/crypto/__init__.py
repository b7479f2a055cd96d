"""Cryptographic primitives without keys, and the one door that holds keys."""
