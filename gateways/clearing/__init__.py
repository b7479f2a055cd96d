"""Clearing files between members and the network, in two shapes: IPM-like (`ipm.py`) and fixed width (`fixed.py`)."""
