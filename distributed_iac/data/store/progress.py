"""What long work tells whoever watches it.

::

    class Bar:                                   # the command line draws one with rich
        def begin(self, stage, total, done): ...
        def advance(self): ...
        def note(self, text): ...

Library code never prints.
"""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """A watcher; called from the process that started the work, never concurrently."""

    def begin(self, stage: str, total: int, done: int) -> None:
        """A stage starts; ``done`` of ``total`` were finished by an earlier, interrupted run."""
        ...

    def advance(self) -> None:
        """One more is finished."""
        ...

    def note(self, text: str) -> None:
        """Something that the user should see now."""
        ...


class Silence:
    """A watcher that does nothing."""

    def begin(self, stage: str, total: int, done: int) -> None:
        """Do nothing."""

    def advance(self) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""
