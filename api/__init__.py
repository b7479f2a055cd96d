"""The HTTP door, the command line, the console, and the one wiring."""
