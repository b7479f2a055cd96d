"""The general ledger: journals of many postings, chains of journals, corrections, accounts opened and closed."""
