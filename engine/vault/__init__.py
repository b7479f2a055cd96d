"""Card numbers: encrypted at rest, found by a keyed hash; one key set per institution."""
