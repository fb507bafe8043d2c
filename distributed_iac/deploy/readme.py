"""The page that lies beside exported weights, for whoever finds the folder in a year.

::

    text = describe_model(card, "acdc")
"""

from __future__ import annotations

import textwrap

from distributed_iac import __version__
from distributed_iac.config.backbone import CustomSettings
from distributed_iac.nets.card import CARD, GENOTYPE, WEIGHTS, ModelCard

_USE = """\
```python
from distributed_iac.deploy import load_model
model = load_model("{name}")
model.predict([{files}]).to_filename("labels.nii.gz")
```

or `distributed-iac predict {name} IMAGES OUT`, where IMAGES is a file, a folder of files
({naming}) or a data set as downloaded. Spacing, cropping and intensities are taken care of; the
label map has the grid of the image."""


def describe_model(card: ModelCard, name: str) -> str:
    """Return Markdown: what it is, how to use it, what it was trained on, under which terms."""
    return "\n\n".join(
        (
            f"# {name}",
            _what(card),
            _USE.format(name=name, files=_files(card), naming=_naming(card)),
            "## Labels\n\n" + _labels(card),
            "## Training data\n\n" + _data(card),
            "## Where it comes from\n\n" + _provenance(card),
            "## Files\n\n" + _contents(card),
            "Research software: not a medical device, not for clinical decisions.\n",
        )
    )


def _what(card: ModelCard) -> str:
    network = f"A 2-D segmentation network, `{card.backbone.key}`"
    if isinstance(card.backbone, CustomSettings):
        network += f", built by `{card.backbone.import_}`, which must be there to use it"
    if card.module is not None:
        return f"{network}, with a hand-made module in every skip connection: `{card.module}`."
    if card.genotype is None:
        return f"{network}, without cells."
    text = textwrap.indent(textwrap.dedent(card.genotype.describe()), "    ")
    return (
        f"{network}, with an Implantable Adaptive Cell in every skip connection, "
        f"genotype `{card.genotype.id}`:\n\n{text}"
    )


def _files(card: ModelCard) -> str:
    names = card.fingerprint.channel_names
    return ", ".join(f'"{name}.nii.gz"' for name in names)


def _naming(card: ModelCard) -> str:
    names = card.fingerprint.channel_names
    if len(names) == 1:
        return "one NIfTI file an image"
    return ", ".join(f"`CASE_{number:04d}.nii.gz` {name}" for number, name in enumerate(names))


def _labels(card: ModelCard) -> str:
    scheme = card.fingerprint.labels
    lines = ["| value | structure |", "|---|---|", "| 0 | background |"]
    lines += [f"| {value} | {name} |" for value, name in scheme.classes.items()]
    if scheme.regions:
        regions = "; ".join(f"{r.name} = {', '.join(map(str, r.values))}" for r in scheme.regions)
        lines += ["", f"Scored as overlapping regions: {regions}."]
    return "\n".join(lines)


def _data(card: ModelCard) -> str:
    facts, recipe = card.fingerprint, card.fingerprint.recipe
    (rows, columns), (height, width) = recipe.spacing, recipe.patch
    counts = ", ".join(
        f"{part} {size.patients} ({size.slices} slices)" for part, size in facts.parts.items()
    )
    return (
        f"`{facts.dataset}` ({facts.format} {facts.release}), "
        f"{' and '.join(recipe.normalisers)}, channels {', '.join(facts.channel_names)}; "
        f"slices of {height} x {width} pixels of {rows:g} x {columns:g} mm.\n\n"
        f"Patients: {counts}.\n\n"
        f"Terms of the data set, to be read before passing the model on: "
        f"{facts.licence or 'not stated by the source'}"
    )


def _provenance(card: ModelCard) -> str:
    facts = {**card.provenance, "exported by": f"distributed_iac {__version__}"}
    return "\n".join(f"* {name}: {value}" for name, value in facts.items() if value is not None)


def _contents(card: ModelCard) -> str:
    lines = [
        f"* `{CARD}`: everything but the numbers; what loading reads, as it was exported",
        f"* `{WEIGHTS}`: the numbers (SHA-256 in `{CARD}`); no file here can run code",
    ]
    if card.genotype is not None:
        lines.append(f"* `{GENOTYPE}`: the cell once more, for other tools")
    return "\n".join(lines)
