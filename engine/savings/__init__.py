"""Savings: money put by, interest accrued day by day without losing a fraction, and paid once a month."""
