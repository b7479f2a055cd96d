"""Clearing: acquirers' items are taken in, priced once, routed to issuers and told to both sides."""
