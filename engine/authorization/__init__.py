"""The acquirer's side of 0100/0110, 0200/0210 and 0400-0430: routing, timeouts, reversals."""
