"""How the interpreter runs a host: how soon threads give way, and how often it looks for garbage.

Set once, when a host or a demonstration starts, by measurement: docs/decisions/0005-switch-interval.md and
0009-the-hot-path.md.
"""

from __future__ import annotations

import gc
import sys

SWITCH_INTERVAL_S = 0.0005
"""How long a thread may compute while another waits to."""
NEW_OBJECTS = 50_000
"""So many more objects than were freed start a search for garbage among the new ones: a batch makes and keeps tens of
thousands, and at the default of 700 the interpreter spends half its time on walks through what writers remember.
"""


def settle() -> None:
    """Set both, for the whole process."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.set_threshold(NEW_OBJECTS, 20, 100)
