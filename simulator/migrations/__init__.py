"""The revisions of the simulated network's and settlement bank's tables (`engine.database.schema`)."""
