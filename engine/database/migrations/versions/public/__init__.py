"""Revisions of what all institutions share."""
