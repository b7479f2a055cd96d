"""Switching: requests on their way to issuers, responses on their way back, reversals until acknowledged."""
