"""Captures become presentments; interchange and fees."""
