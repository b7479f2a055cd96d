"""The soft card: a chip that speaks APDUs (EMV Book 3), personalised with obviously marked test keys."""
