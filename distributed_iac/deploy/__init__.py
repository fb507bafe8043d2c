"""Networks that leave their run: exported as a folder, loaded again, and used on new images.

::

    from distributed_iac.deploy import load_model

    model = load_model("models/acdc")
    model.predict(["heart_0000.nii.gz"]).to_filename("heart.nii.gz")
"""

from distributed_iac.deploy.model import Model, load_model
from distributed_iac.deploy.model_folder import export_model
from distributed_iac.nets.card import ModelCard

__all__ = ["Model", "ModelCard", "export_model", "load_model"]
