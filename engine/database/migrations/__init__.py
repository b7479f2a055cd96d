"""Revisions of the tables that the engine declares, and of those that all institutions share."""
