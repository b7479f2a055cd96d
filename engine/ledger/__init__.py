"""Double entry: accounts, chart, rules, store, audit."""
