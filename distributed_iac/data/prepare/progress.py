"""What long work tells whoever watches it.

::

    class Bar:                                   # the command line draws one with rich
        def begin(self, stage, total, done): ...
        def advance(self): ...
        def note(self, text): ...
        def waits(self, holder): ...

Library code never prints.
"""

from __future__ import annotations

from typing import Protocol

from distributed_iac.locks import wait_aloud


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

    def waits(self, holder: str) -> None:
        """Another process prepares this store; what this raises ends the waiting for it."""
        ...


class Silence:
    """A watcher that says nothing but for whom it waits."""

    def begin(self, stage: str, total: int, done: int) -> None:
        """Do nothing."""

    def advance(self) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""

    def waits(self, holder: str) -> None:
        """Log it."""
        wait_aloud(holder)
