"""Net positions, payouts, reconciliation."""
