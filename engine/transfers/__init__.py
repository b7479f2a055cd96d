"""Person to person: send, request, claim, and money to and from outside banks."""
