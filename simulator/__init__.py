"""The world outside: network, banks, merchants, terminals, people, time, chance, faults. Nothing imports it."""
