"""Double entry: accounts, the chart, the rules of posting, the store and the audit. Nothing else changes a balance."""
