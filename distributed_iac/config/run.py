"""The root of the configuration: everything a run is asked to do.

::

    config = load_config(Path("configs/quickstart.yaml"), ["search.epochs=40"])
    config.data[0].source
    config.arms["lth"]
    config.view("acdc", "unaugmented").batches      # as they are for that data set and variant
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from distributed_iac.config.backbone import BackboneSettings, BasicUnetSettings
from distributed_iac.config.base import AS_STORED, Before, Count, Settings
from distributed_iac.config.batches import BatchSettings
from distributed_iac.config.cell import CellSettings
from distributed_iac.config.comparison import ALL_CONTROLS, CONTROLS, ComparisonSettings, Control
from distributed_iac.config.dataset import DatasetSettings
from distributed_iac.config.evaluation import EvaluationSettings
from distributed_iac.config.given import GivenGenotype
from distributed_iac.config.headroom import BESIDE, HeadroomSettings, Question
from distributed_iac.config.overrides import (
    VARIED,
    Layer,
    Override,
    lay_over,
    leaves,
    value_at,
)
from distributed_iac.config.pruning import LTH, PruningSettings
from distributed_iac.config.pydantic_errors import Finding, found_again
from distributed_iac.config.scheduler import SchedulerSettings
from distributed_iac.config.selection import SelectionSettings
from distributed_iac.config.sweep import SweepSettings
from distributed_iac.config.training import PretrainSettings, RetrainSettings, SearchSettings

LARGEST_SEED = 2**63 - 1
"""The largest number of a table's column."""

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

    threads: Count | None = None
    """Threads a process computes with on a CPU; None: torch's own choice."""

    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (0,)
    """Seeds of the searches and retrainings, from 0 on. Adding one changes nothing for the
    others."""

    shared_seed: int = 0
    """Seed of what all seeds share: the backbone's initial weights and its pre-training."""

    data: Annotated[tuple[DatasetSettings, ...], Field(min_length=1)]
    """Data sets, each with its own store."""

    also_scored: Annotated[tuple[DatasetSettings, ...], Before(())] = ()
    """Data sets, such as the old hospital's, that nothing is trained on: the backbone and every
    model of the run are scored on their test patients as well, by all that the network knew there:
    what adapting it makes it forget. For one entry of ``data``, and backbones that come trained;
    the split must be the one that the network was trained with."""

    backbones: Annotated[tuple[BackboneSettings, ...], Field(min_length=1)] = (BasicUnetSettings(),)
    """Networks to search cells for."""

    arms: Annotated[Mapping[Name, PruningSettings], Field(min_length=1)] = {
        "full": PruningSettings(policy="none"),
        "lth": LTH,
    }
    """Ways to search, by name: how each prunes and when it has converged."""

    controls: tuple[Control, ...] = CONTROLS
    """What the searched cells are compared with: ``plain``, the backbone as it is;
    ``plain_extra``, the backbone trained on for as long as a cell is retrained; ``random``, a
    cell that nobody searched; ``random_search``, the best on val of ``comparison.random_cells``
    such cells, what a search must beat at equal cost; ``given``, the cell under ``given``. Also
    what else adapts a trained network: ``normalisation``, ``last_block``, ``decoder``, ``network``
    train that part of it without cells;
    ``squeeze_excitation``, ``attention_gate``, ``spatial_channel`` and ``convolution`` (with as
    many parameters as a cell) are implanted in the cells' place."""

    given: Annotated[GivenGenotype | None, Before(None)] = None
    """A cell found elsewhere, or planted, written out: the control ``given`` retrains it beside the
    others, and the report says how much of it each arm found."""

    baselines: tuple[BackboneSettings, ...] = ()
    """Other networks to compare with, trained from scratch for as many epochs as pre-training
    and retraining together."""

    batches: BatchSettings = BatchSettings()
    cell: CellSettings = CellSettings()
    pretrain: PretrainSettings = PretrainSettings()
    search: SearchSettings = SearchSettings()
    retrain: RetrainSettings = RetrainSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    selection: SelectionSettings = SelectionSettings()
    comparison: ComparisonSettings = ComparisonSettings()
    scheduler: SchedulerSettings = SchedulerSettings()
    headroom: Annotated[HeadroomSettings, Before(HeadroomSettings())] = HeadroomSettings()
    question: Annotated[Question, Before("comparison")] = "comparison"
    """What the jobs are for: ``comparison``, all of the above; ``headroom``, random cells alone,
    each with several seeds, as ``distributed-iac headroom`` runs them: how much is there to find?
    """
    sweep: SweepSettings = SweepSettings()

    variants: Annotated[Mapping[Name, Mapping[str, Any]], Before({})] = {}
    """Named ways to set the same run, two or more, each carried out for every data set, backbone,
    arm, control and seed: ``{augmented: {}, unaugmented: {batches: {augmentation: none}}}``. A
    variant replaces what it names, nested as in the configuration, of ``batches``, ``cell``,
    ``pretrain``, ``search`` and ``retrain``, whatever a data set's own ``settings`` say. Jobs that
    are the same in several variants are done once for them. All are compared with the one that
    changes nothing, or else with the first by name."""

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        networks = (*self.backbones, *self.baselines)
        _require_unique("data and also_scored", (dataset.name for dataset in self.all_data))
        _require_unique("backbones and baselines", (network.key for network in networks))
        _require_unique("seeds", map(str, self.seeds))
        _require_unique("controls", self.controls)
        taken = sorted(set(self.arms) & set(ALL_CONTROLS))
        if taken:
            raise ValueError(f"arms need names other than the controls' (came {taken[0]})")
        return self

    @field_validator("seeds", "shared_seed")
    @classmethod
    def _seeds_are_numbers_of_a_table(
        cls, given: int | tuple[int, ...], info: ValidationInfo
    ) -> int | tuple[int, ...]:
        seeds = given if isinstance(given, tuple) else (given,)
        wrong = [str(seed) for seed in seeds if not 0 <= seed <= LARGEST_SEED]
        if wrong and info.context != AS_STORED:
            raise ValueError(f"a seed lies from 0 to 2**63 - 1 (came {', '.join(wrong)})")
        return given

    @model_validator(mode="after")
    def _stores_are_apart(self, info: ValidationInfo) -> Self:
        """Also where the letter case of a folder's name does not count."""
        if info.context != AS_STORED:
            names = (one.name.casefold() for one in self.all_data)
            _require_unique("data, letter case aside,", names)
        return self

    @model_validator(mode="after")
    def _models_are_told_apart(self, info: ValidationInfo) -> Self:
        """By name alone, also where the letter case of a folder's name does not count."""
        if info.context == AS_STORED:
            return self
        for arm in self.arms:
            first, *rest = arm.split(".")
            if rest and first in ALL_CONTROLS:
                raise ValueError(f"arms are not called like cells of the control {first} ({arm})")
        for where, names in (
            ("arms, controls and baselines", (*self.arms, *self.controls, *self._baseline_keys)),
            (
                "backbones and baselines",
                (*(one.key for one in self.backbones), *self._baseline_keys),
            ),
            ("variants", tuple(self.variants)),
        ):
            _require_unique(f"{where}, letter case aside,", (name.casefold() for name in names))
        return self

    @model_validator(mode="after")
    def _arms_that_are_named_exist(self, info: ValidationInfo) -> Self:
        """But for those that are named by default: a run may do without them."""
        if info.context == AS_STORED or self.question == "headroom":
            return self
        usual = (*self.arms, ComparisonSettings().candidate, ComparisonSettings().reference)
        for where, names in (
            ("comparison.candidate", (self.comparison.candidate,)),
            ("comparison.reference", (self.comparison.reference,)),
            ("scheduler.protect", self.scheduler.protect),
        ):
            unknown = [name for name in names if name not in usual]
            if unknown:
                raise ValueError(
                    f"{where} names arms of this run, {', '.join(self.arms)} (came {unknown[0]})"
                )
        return self

    @model_validator(mode="after")
    def _folders_are_apart(self, info: ValidationInfo) -> Self:
        """What one of them holds must not be deleted with another, nor be taken for its own."""
        if info.context == AS_STORED:
            return self
        folders = {"the run's folder (out, name)": self.folder}
        if "://" not in self.artifacts:
            folders["that of artifacts"] = Path(self.artifacts)
        for one in self.all_data:
            folders[f"the store of {one.name}"] = self.store_folder(one)
        sources = {f"the source of {one.name}": one.source for one in self.all_data}
        places: dict[Path, str] = {}
        for what, folder in (*sources.items(), *folders.items()):
            place = folder.absolute()
            if place in places and not {what, places[place]} <= set(sources):
                raise ValueError(
                    f"{what} and {places[place]} must be folders apart (both are {folder})"
                )
            places[place] = what
        return self

    @model_validator(mode="after")
    def _controls_and_baselines_train_something(self) -> Self:
        _require_something_to_train(self.controls, self.retrain)
        trained = [baseline.key for baseline in self.baselines if baseline.is_trained]
        if trained:
            raise ValueError(
                f"baselines are trained from scratch: {trained[0]} comes with weights; put it "
                "into backbones, or take the weights out"
            )
        return self

    @model_validator(mode="after")
    def _given_is_named_and_fits(self) -> Self:
        if (self.given is None) != ("given" not in self.controls):
            raise ValueError(
                "the control given and the cell under given belong together "
                f"(controls {list(self.controls)}, given {'set' if self.given else 'not set'})"
            )
        _require_given_to_fit(self.given, self.cell)
        return self

    @model_validator(mode="after")
    def _what_is_forgotten_was_known(self) -> Self:
        if not self.also_scored:
            return self
        if len(self.data) > 1:
            raise ValueError(f"also_scored wants one data set in data (came {len(self.data)})")
        (dataset,) = self.data
        if any(other.source.resolve() == dataset.source.resolve() for other in self.also_scored):
            raise ValueError(
                "also_scored is other data than data: patients that the models are trained on say "
                f"nothing of what is forgotten (both have the source {dataset.source})"
            )
        fresh = [backbone.key for backbone in self.backbones if not backbone.is_trained]
        if fresh:
            raise ValueError(
                f"also_scored is for backbones that come trained ({fresh[0]} has no weights)"
            )
        return self

    def headroom_run(self) -> RunConfig:
        """The run that asks about the headroom of this one, in a folder beside it.

        Its jobs are those that this one would train the same cells with. What has no say in them
        is as it is by default, so that whoever changes it here can go on there. Of a run that asks
        itself only that changes.
        """
        no_say = ("arms", "given", "baselines", "also_scored", "search", "selection", "scheduler")
        fields = type(self).model_fields
        defaults = {name: fields[name].default for name in no_say}
        name = self.name if self.question == "headroom" else f"{self.name}{BESIDE}"
        changed = {"name": name, "question": "headroom", "controls": (), "variants": {}}
        asked = self.model_copy(update={**defaults, **changed})
        return asked.with_data(lambda one: one.without_settings("search"))

    @property
    def asked_beside_variants(self) -> str:
        """What :meth:`headroom_run` makes of variants, to be put behind a statement."""
        if not self.variants:
            return ""
        first = self.variant_names[0]
        same = "no variant has" if self.variants[first] else f"the variant {first} has as well"
        return f", with the settings of the run itself, which {same}"

    @model_validator(mode="after")
    def _overrides_give_runs_that_can_be(self, info: ValidationInfo) -> Self:
        if any(other.settings for other in self.also_scored):
            raise ValueError("nothing is trained on also_scored, so its data has no settings")
        if len(self.variants) == 1:
            raise ValueError(
                f"variants are two or more, to be compared (came {next(iter(self.variants))} "
                "alone): put its settings into the configuration itself"
            )
        wrong: dict[tuple[str | int, ...], Finding] = {}
        for dataset, variant in self._places():
            laid = lay_over(self._varied, self._layers(dataset, variant), info.context)
            wrong |= {one.place: one for one in laid.wrong}
        if wrong:
            raise found_again(type(self).__name__, wrong.values())
        for dataset, variant in self._places():
            where = f"{dataset}, {variant}" if variant else dataset
            _require_something_to_train(
                self.controls, self.view(dataset, variant).retrain, f"{where}: "
            )
            _require_given_to_fit(self.given, self.view(dataset, variant).cell, f"{where}: ")
        _require_variants_to_differ(self)
        return self

    @property
    def all_data(self) -> tuple[DatasetSettings, ...]:
        """Every data set that has a store: those to work on, and those to be scored on as well."""
        return (*self.data, *self.also_scored)

    def with_data(self, change: Callable[[DatasetSettings], DatasetSettings]) -> RunConfig:
        """The run with every data set changed."""
        data, also = tuple(map(change, self.data)), tuple(map(change, self.also_scored))
        return self.model_copy(update={"data": data, "also_scored": also})

    @property
    def variant_names(self) -> tuple[str, ...]:
        """Names of the variants; one that is empty where there are none.

        The one that leaves everything as it is comes first: the others are compared with it. Else
        the order is that of the names, for files of ours do not keep another one.
        """
        names = sorted(self.variants, key=lambda name: (bool(self.variants[name]), name))
        return tuple(names) or ("",)

    def view(self, dataset: str, variant: str = "") -> RunConfig:
        """The run as it is for one data set, in one variant: what a job there is carried out with.

        Args:
            dataset: Name of a data set; one of ``also_scored`` is seen with the one worked on.
            variant: Name of a variant; empty where there are none.

        Returns:
            A run of this data set alone, without overrides.
        """
        place = self._place(dataset)
        laid = lay_over(self._varied, self._layers(dataset, variant))
        alone = self.data[place].model_copy(update={"settings": {}})
        return self.model_copy(update={**laid.branches, "data": (alone,), "variants": {}})

    @property
    def views(self) -> dict[str, RunConfig]:
        """The run as it is in every place, by ``dataset`` or ``dataset@variant``."""
        return {
            f"{dataset}@{variant}" if variant else dataset: self.view(dataset, variant)
            for dataset, variant in self._places()
        }

    def idle_overrides(self) -> tuple[str, ...]:
        """Overrides that change nothing, a sentence each."""
        return tuple(dict.fromkeys((*self._idle_settings(), *self._idle_variants())))

    def store_folder(self, dataset: DatasetSettings) -> Path:
        """Where a data set's store lies."""
        return dataset.store or self.stores / dataset.name

    @property
    def artifacts(self) -> str:
        """Folder or URI of finished jobs' results, shared between runs."""
        return self.sweep.artifacts or str(self.out / "artifacts")

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.out / self.name

    def doubtful_reference(self) -> tuple[str, ...]:
        """Why the arm that stands for the full-length search is none, a sentence each."""
        name = self.comparison.reference
        if name not in self.arms:
            return ()
        policy, epochs = self.arms[name].policy, "comparison.reference is the full-length search"
        found = []
        if policy != "none":
            found.append(
                f"{epochs}, but the arm {name} prunes (policy: {policy}): speed-ups over it, and "
                "being as good as it, say nothing of a search in full; give an arm policy: none"
            )
        if name not in self.scheduler.protect:
            found.append(
                f"{epochs}, but scheduler.protect does not name {name}: rules may stop it early"
            )
        return tuple(found)

    @property
    def _baseline_keys(self) -> tuple[str, ...]:
        return tuple(one.key for one in self.baselines)

    @property
    def _varied(self) -> dict[str, Settings]:
        return {name: getattr(self, name) for name in VARIED}

    def _places(self) -> list[tuple[str, str]]:
        """Every data set in every variant."""
        return [(one.name, variant) for one in self.data for variant in self.variant_names]

    def _place(self, dataset: str) -> int:
        names = [one.name for one in self.data]
        return names.index(dataset) if dataset in names else 0

    def _layers(self, dataset: str, variant: str) -> list[Layer]:
        place = self._place(dataset)
        layers = [Layer(("data", place, "settings"), self.data[place].settings)]
        if variant:
            layers.append(Layer(("variants", variant), self.variants[variant]))
        return layers

    def _idle_settings(self) -> Iterator[str]:
        for place, dataset in enumerate(self.data):
            own = self._layers(dataset.name, "")
            idle = set(_unchanged(self._varied, own, dataset.settings))
            for path in map(".".join, leaves(dataset.settings)):
                if path in idle:
                    yield f"data.{place}.settings.{path} is what the run has anyway"
                elif self.variants and all(_names(one, path) for one in self.variants.values()):
                    yield f"data.{place}.settings.{path} is replaced by every variant"

    def _idle_variants(self) -> Iterator[str]:
        for variant, given in self.variants.items():
            idle: dict[str, list[str]] = {}
            for dataset in self.data:
                below, whole = self._layers(dataset.name, ""), self._layers(dataset.name, variant)
                lower = lay_over(self._varied, below).branches
                for path in _unchanged(lower, whole, given):
                    idle.setdefault(path, []).append(dataset.name)
            for path, names in idle.items():
                where = "" if len(names) == len(self.data) else f" for {' and '.join(names)}"
                yield f"variants.{variant}.{path} is what the run has anyway{where}"


def _require_unique(where: str, names: Iterable[str]) -> None:
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise ValueError(
            f"names in {where} must differ from each other (twice: {', '.join(twice)})"
        )


def _require_something_to_train(
    controls: Iterable[Control], retrain: RetrainSettings, where: str = ""
) -> None:
    if "plain_extra" in controls and retrain.unfreeze == "cells":
        others = [control for control in controls if control != "plain_extra"]
        raise ValueError(
            f"{where}retrain.unfreeze: cells trains nothing of the plain backbone, so there is no "
            f"control plain_extra: use controls: [{', '.join(others)}], with network for the "
            "whole backbone trained on"
        )


def _require_given_to_fit(
    given: GivenGenotype | None, wanted: CellSettings, where: str = ""
) -> None:
    if given is None:
        return
    genotype = given.genotype
    graphs = {cell.topology for cell in genotype.cells}
    if graphs != {wanted.topology} or genotype.scope != wanted.genotype_scope:
        raise ValueError(
            f"{where}given is a {wanted.genotype_scope} genotype of cells with "
            f"{wanted.topology.inputs} inputs and {wanted.topology.nodes} nodes, as cell "
            f"says (came {genotype.to_json()})"
        )


def _require_variants_to_differ(config: RunConfig) -> None:
    views = {
        name: [config.view(dataset.name, name) for dataset in config.data]
        for name in config.variants
    }
    if all(backbone.is_trained for backbone in config.backbones) and not config.baselines:
        same = {"pretrain": config.pretrain}  # nothing is pre-trained
        views = {name: [one.model_copy(update=same) for one in own] for name, own in views.items()}
    alike = [pair for pair in combinations(views, 2) if views[pair[0]] == views[pair[1]]]
    if alike:
        one, other = alike[0]
        raise ValueError(
            f"variants differ from each other for some data set ({one} and {other} do not): "
            "leave one out, or say what it changes"
        )


def _names(given: Override, path: str) -> bool:
    """Whether an override holds a value under a key path, or in place of what leads to it."""
    here: Any = given
    for key in path.split("."):
        if not isinstance(here, Mapping):
            return True
        if key not in here:
            return False
        here = here[key]
    return True


def _unchanged(
    below: Mapping[str, Settings], layers: list[Layer], given: Override
) -> Iterator[str]:
    """Key paths of an override whose values are as they were below it."""
    above = lay_over(below, layers[-1:]).branches
    for path in leaves(given):
        if value_at(below, path) == value_at(above, path):
            yield ".".join(path)
