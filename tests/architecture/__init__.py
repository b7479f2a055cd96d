"""What the house looks like: imports, tidiness, set-up."""
