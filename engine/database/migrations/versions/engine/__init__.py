"""Revisions of the engine's tables, in every institution's schema."""
