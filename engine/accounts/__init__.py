"""People and their money: customers, wallets, limits, KYC state."""
