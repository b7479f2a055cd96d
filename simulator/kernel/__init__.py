"""The terminal's kernel: one transaction with a card, step by step as EMV Book 3 and 4 have it. No I/O."""
