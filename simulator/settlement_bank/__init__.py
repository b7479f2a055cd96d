"""The settlement bank: members' and merchants' deposits, moved by files, told of by statements."""
