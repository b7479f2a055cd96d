"""The card network "simnet": routes by account range, clears files, nets positions. An institution like any other."""
