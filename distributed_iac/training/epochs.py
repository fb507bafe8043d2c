"""What stages that count epochs have in common."""

from __future__ import annotations

from distributed_iac.errors import RunError


class EpochStage:
    """Counts epochs, knows when to validate, and remembers why it ended.

    Args:
        epochs: Epochs at the most.
        validate_every: Epochs between validations; the last one is always validated.
    """

    def __init__(self, epochs: int, validate_every: int) -> None:
        self.reason: str | None = None
        self._epochs = epochs
        self._validate_every = validate_every
        self._epoch = 0

    @property
    def epoch(self) -> int:
        """Epochs finished."""
        return self._epoch

    @property
    def epochs(self) -> int:
        """Epochs at the most."""
        return self._epochs

    @property
    def done(self) -> bool:
        """Whether there is a reason not to go on."""
        return self.reason is not None

    def _require_open(self) -> None:
        if self.done:
            raise RunError("this stage is done", came=self.reason)

    def _validates(self) -> bool:
        """Whether the epoch just finished is scored."""
        return self._epoch % self._validate_every == 0 or self._epoch == self._epochs
