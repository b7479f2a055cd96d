"""The revisions of the issuer's tables (`engine.database.schema`)."""
