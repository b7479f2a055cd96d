"""The words: money, messages, events, postings, response codes, identifiers, decision."""
