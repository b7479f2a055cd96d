"""Interest: accrual, posting, statements."""
