"""The whole system with its sandboxes on a test cluster."""

import json
from pathlib import Path

from tests.real_kubernetes import PLACE, RealKubernetes


def data_for(cluster: RealKubernetes, namespace: str, folder: Path, **more: object) -> Path:
    """A data folder with the settings, and `more` of them, for `running_on`."""
    settings = {
        "sandbox": "kubernetes",
        "kubeconfig": str(cluster.kubeconfig()),
        "kubernetes_namespace": namespace,
        "kubernetes_image": PLACE.image,
        **more,
    }
    folder.mkdir(parents=True)
    (folder / "runledger.toml").write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items()))
    return folder
