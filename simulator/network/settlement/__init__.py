"""Settlement: what a day comes to for each member, netted, reported, moved at the settlement bank, and booked."""
