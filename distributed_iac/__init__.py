"""Distributed search for Implantable Adaptive Cells in trained medical segmentation U-Nets.

Importing this package is cheap: it loads neither torch nor ray. Import the room you need::

    from distributed_iac.config.load import load_config
    from distributed_iac.data.store import Store
"""

__version__ = "0.1.0"
