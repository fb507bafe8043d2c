"""The root of the configuration: everything a run is asked to do.

::

    config = load_config(Path("configs/quickstart.yaml"), ["search.epochs=40"])
    config.data[0].source
    config.arms["lth"]
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from distributed_iac.config.backbone import BackboneSettings, BasicUnetSettings
from distributed_iac.config.base import Settings
from distributed_iac.config.batches import BatchSettings
from distributed_iac.config.cell import CellSettings
from distributed_iac.config.dataset import DatasetSettings
from distributed_iac.config.pruning import PruningSettings
from distributed_iac.config.training import PretrainSettings, RetrainSettings, SearchSettings

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]


class RunConfig(Settings):
    """A run: which data, which networks, which ways to search, over which seeds."""

    name: Name
    """Name of the run, and of its folder below ``out``."""

    out: Path = Path("runs")
    """Folder of run folders; relative paths start at the working directory."""

    stores: Path = Path("stores")
    """Folder of prepared stores."""

    device: str = "auto"
    """``auto`` (a GPU if there is one), ``cpu``, ``cuda`` or ``cuda:<number>``."""

    threads: Annotated[int, Field(ge=1)] | None = None
    """Threads a process computes with on a CPU; None: torch's own choice."""

    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (0,)
    """Seeds of the searches and retrainings."""

    data: Annotated[tuple[DatasetSettings, ...], Field(min_length=1)]
    """Data sets, each with its own store."""

    backbones: Annotated[tuple[BackboneSettings, ...], Field(min_length=1)] = (BasicUnetSettings(),)
    """Networks to search cells for."""

    arms: Annotated[Mapping[Name, PruningSettings], Field(min_length=1)] = {
        "full": PruningSettings(policy="none"),
        "lth": PruningSettings(policy="js"),
    }
    """Ways to search, by name: how each prunes and when it has converged."""

    batches: BatchSettings = BatchSettings()
    cell: CellSettings = CellSettings()
    pretrain: PretrainSettings = PretrainSettings()
    search: SearchSettings = SearchSettings()
    retrain: RetrainSettings = RetrainSettings()

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        _require_unique("data", (dataset.name for dataset in self.data))
        _require_unique("backbones", (backbone.key for backbone in self.backbones))
        _require_unique("seeds", map(str, self.seeds))
        return self

    def store_folder(self, dataset: DatasetSettings) -> Path:
        """Where a data set's store lies."""
        return dataset.store or self.stores / dataset.name

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.out / self.name


def _require_unique(where: str, names: Iterable[str]) -> None:
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise ValueError(
            f"names in {where} must differ from each other (twice: {', '.join(twice)})"
        )
