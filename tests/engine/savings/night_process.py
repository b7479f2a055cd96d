"""A process that runs a bank's nights, two or three accounts a chunk, and says each chunk that is done: to be killed.

python -m tests.engine.savings.night_process DATABASE_URL BANK FOLDER OPENED_ON UNTIL
"""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

from engine.database.connections import Database
from engine.savings import overnight, posting
from tests.conftest import ROLE_SECRET
from tests.engine.savings.bank import Bank

if __name__ == "__main__":
    url, name, folder, opened_on, until = sys.argv[1:]
    posting.POSTING_CHUNK = 2
    overnight.accrue_day.__defaults__ = (3,)
    begin = overnight.Night.__post_init__

    def says(night: overnight.Night) -> None:
        """A night that tells whoever reads."""
        begin(night)
        night.watch = lambda done, _total: print(done, flush=True)

    setattr(overnight.Night, "__post_init__", says)  # noqa: B010, mypy knows that it is a method
    Bank(Database(url, ROLE_SECRET), name, Path(folder), date.fromisoformat(opened_on)).nights(
        date.fromisoformat(until)
    )
