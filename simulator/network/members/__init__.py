"""The network's members and the account ranges that messages and items are routed by."""
