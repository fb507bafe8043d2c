"""Prepared slices on disk: written once, verified, memory-mapped by every process.

::

    from distributed_iac.data.store import Store

    store = Store.open(Path("stores/acdc"))

A store's folder::

    manifest.json           every file with size and checksum; written last
    identity.json           settings, split and source files that it was made from
    fingerprint.json        what it is: spacing, patch, labels, counts, fidelity
    split.json              patients of the four parts
    skipped.json            cases that could not be used, with reasons
    index.parquet           a row a slice
    cases.parquet           a row a case, with its geometry
    native_labels.arrow     labels on the grid of the files
    shards/*.arrow          images (float16) and labels (uint8) of all slices
"""

from distributed_iac.data.store.case_tables import StoredCase
from distributed_iac.data.store.reader import Store

__all__ = ["Store", "StoredCase"]
