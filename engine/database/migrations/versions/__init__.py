"""One folder of revisions per branch."""
