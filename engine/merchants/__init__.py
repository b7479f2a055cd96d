"""Merchants, terminals, fee plans: the acquirer's participants."""
