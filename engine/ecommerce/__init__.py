"""Payments that come without a terminal: the shop's own reference becomes the trace of a card message, once."""
