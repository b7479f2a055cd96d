"""May money of this card be promised? Checks in order, holds, reversals, expiry of holds."""
