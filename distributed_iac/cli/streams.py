"""Standard output and error, whatever they can show.

::

    show_what_they_can()                # at the start of a command
    print("→ … ≥")                      # "? ? ?" on a terminal of Latin letters
"""

from __future__ import annotations

import io
import sys

RAISING = ("strict", "surrogateescape")
"""Ways to treat what an encoding lacks that end a command in the middle of its output; whoever
chose another one (``PYTHONIOENCODING``) keeps it."""


def show_what_they_can() -> None:
    """Put a question mark where a terminal, or a pipe, has no such character.

    Also for names of files that are no text: they print in no encoding.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in RAISING:
            stream.reconfigure(errors="replace")
