"""What was presented is posted: clearing files, settlement with the network, and what does not agree."""
