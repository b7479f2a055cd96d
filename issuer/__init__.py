"""The issuing bank: cards, authorization, clearing, disputes, tokens."""
