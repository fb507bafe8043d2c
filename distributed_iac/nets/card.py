"""What an exported model is, as plain values: everything that its weights do not say.

::

    write_card(Path("models/acdc"), card)
    card = read_card(Path("models/acdc"))
    card.fingerprint.channel_names, card.fingerprint.recipe.spacing
    card.genotype                       # None for a plain backbone
    card.provenance["val_dice"]

What is written has a digest of its own, as the weights have theirs in it: an edited card is none.
The card holds decisions, never paths or patients: an exported folder can be passed on as far as
the licence of its data set allows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError

from distributed_iac.config.backbone import BackboneSettings
from distributed_iac.config.base import AS_STORED
from distributed_iac.config.batches import Axis
from distributed_iac.config.cell import CellSettings
from distributed_iac.config.comparison import SKIP_MODULES, SkipModule
from distributed_iac.data.store.fingerprint import Fingerprint
from distributed_iac.data.store.identity import PREPARATION, content_key
from distributed_iac.errors import CheckpointError, ConfigError, DistributedIacError
from distributed_iac.files import digest_of, parse_json, without_nan, write_json
from distributed_iac.genotype import Genotype
from distributed_iac.nets.nnunet_plan import NnUnetArchitecture
from distributed_iac.transient import patiently
from distributed_iac.versions import MODEL, require_version

PREPARED = replace(PREPARATION, error=CheckpointError, again=MODEL.again, key="preprocess_version")
"""How images become slices is as much the network's own as its weights."""

CARD, WEIGHTS, GENOTYPE, README = "model.json", "weights.safetensors", "genotype.json", "README.md"
"""Files of an exported folder."""

DIGEST = "digest"
"""Entry of the card's file with the SHA-256 of the others."""

Scalar = str | int | float | bool | None

_BACKBONES: TypeAdapter[BackboneSettings] = TypeAdapter(BackboneSettings)


@dataclass(frozen=True, eq=False)
class ModelCard:
    """The description of one exported network.

    Args:
        backbone: Its settings, without paths.
        nnunet: The architecture of a network that nnU-Net planned; None for other families.
        cell: How cells, or what stands in their place, were implanted; None for a plain backbone.
        genotype: The cells; None where there are none.
        fingerprint: Of the store: channels, labels, spacing, patch, intensities, licence.
        provenance: Run, job, digest, scores: whatever helps to repeat or to doubt the model.
        weights_sha256: Of the weights file.
        mirror: Axes along which predictions are averaged over mirrored slices.
        spare_outputs: Names of outputs that the network has behind those of the fingerprint's
            labels, having been trained on more elsewhere.
        module: What was put into the skips by hand, in the cells' place; None where nothing was.
    """

    backbone: BackboneSettings
    nnunet: NnUnetArchitecture | None
    cell: CellSettings | None
    genotype: Genotype | None
    fingerprint: Fingerprint
    provenance: Mapping[str, Scalar]
    weights_sha256: str
    mirror: tuple[Axis, ...] = ()
    spare_outputs: tuple[str, ...] = ()
    module: SkipModule | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values; :meth:`from_json` is the inverse."""
        return {
            MODEL.key: MODEL.version,
            PREPARED.key: PREPARED.version,
            "backbone": self.backbone.model_dump(mode="json"),
            "nnunet": None if self.nnunet is None else asdict(self.nnunet),
            "cell": None if self.cell is None else self.cell.model_dump(mode="json"),
            "genotype": None if self.genotype is None else self.genotype.to_dict(),
            "fingerprint": self.fingerprint.to_json(),
            "provenance": without_nan(self.provenance),
            "weights_sha256": self.weights_sha256,
            "mirror": list(self.mirror),
            "spare_outputs": list(self.spare_outputs),
            **({} if self.module is None else {"module": self.module}),
        }

    @property
    def digest(self) -> str:
        """SHA-256 of all that it says, the same before and after it was written."""
        return content_key(parse_json(json.dumps(self.to_json())))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Rebuild from :meth:`to_json`.

        Raises:
            KeyError, TypeError, ValueError: Something is missing or of another kind.
            ConfigError: The genotype is none.
        """
        cell, genotype, nnunet = (value[key] for key in ("cell", "genotype", "nnunet"))
        module = value.get("module")
        if module is not None and module not in SKIP_MODULES:
            raise ValueError(f"{module} is none of {', '.join(SKIP_MODULES)}")
        if [genotype, module].count(None) != (2 if cell is None else 1):
            raise ValueError("cell comes together with a genotype or a module, or not at all")
        return cls(
            backbone=_BACKBONES.validate_python(value["backbone"], context=AS_STORED),
            nnunet=None if nnunet is None else NnUnetArchitecture.from_json(nnunet),
            cell=None if cell is None else CellSettings.model_validate(cell, context=AS_STORED),
            genotype=None if genotype is None else Genotype.from_dict(genotype),
            fingerprint=Fingerprint.from_json(value["fingerprint"]),
            provenance=dict(value["provenance"]),
            weights_sha256=str(value["weights_sha256"]),
            mirror=tuple(value.get("mirror", ())),
            spare_outputs=tuple(value.get("spare_outputs", ())),
            module=module,
        )


def write_card(folder: Path, card: ModelCard) -> None:
    """Write a card, with the digest of its content.

    Raises:
        OSError: It cannot be written.
    """
    write_json(folder / CARD, {**card.to_json(), DIGEST: card.digest})


def read_card(folder: Path) -> ModelCard:
    """Read the card of an exported model.

    Raises:
        ConfigError: The folder is no exported model.
        CheckpointError: The card is damaged, or of a release whose preparation differs.
    """
    path = folder / CARD
    try:
        value = parse_json(patiently(path.read_bytes))
    except (FileNotFoundError, NotADirectoryError) as error:
        nothing = "a file" if folder.exists() else "no such folder"
        raise ConfigError(
            f"an exported model is a folder with {CARD} and {WEIGHTS}",
            came=f"no {CARD}" if folder.is_dir() else nothing,
            remedy="make one with `distributed-iac export RUN MODEL OUT`",
            where=folder,
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, error) from error
    return parse_card(value, path)


def parse_card(value: Any, path: Path) -> ModelCard:
    """Rebuild a card from what is written of it.

    Args:
        value: Content of ``model.json``, or of the header of a cell.
        path: The file, for messages.

    Raises:
        CheckpointError: It is damaged, or of a release whose preparation differs.
    """
    if not isinstance(value, dict):
        raise _damaged(path, ValueError(f"a {type(value).__name__} where an object belongs"))
    for format in (MODEL, PREPARED):
        require_version(format, value, path)
    # Release 0.1.0 wrote none, nor did the first ones after it.
    stated = value.pop(DIGEST, None)
    if stated is not None and stated != content_key(value):
        raise _damaged(path, ValueError("another content than its own digest says"))
    try:
        return ModelCard.from_json(value)
    except (KeyError, TypeError, ValueError, AttributeError, DistributedIacError) as error:
        raise _damaged(path, error) from error


def require_digest(path: Path, wanted: str) -> None:
    """Compare a weights file with its card.

    Raises:
        CheckpointError: It is another file, or cannot be read.
    """
    try:
        found = patiently(lambda: digest_of(path).sha256)
    except OSError as error:
        raise _not_exported(path, wanted, error.strerror or str(error)) from error
    if found != wanted:
        raise _not_exported(path, wanted, found)


def _not_exported(path: Path, wanted: str, came: str) -> CheckpointError:
    return CheckpointError(
        f"{path.name} must be the file that was exported, SHA-256 {wanted[:16]}...",
        came=came[:40],
        remedy="copy the folder again, or export the model again",
        where=path,
    )


def _damaged(path: Path, error: Exception) -> CheckpointError:
    what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        what = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return CheckpointError(
        f"{path.name} must be as `distributed-iac export` wrote it",
        came=what.splitlines()[0] if what else type(error).__name__,
        remedy="export the model again",
        where=path,
    )
