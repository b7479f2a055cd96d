"""ISO 8583 on the wire: dialects, codec, dumps, links, sign-on, matching of replies, and translation to and from the
vocabulary."""
