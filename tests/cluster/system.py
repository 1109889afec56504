"""The whole system with its sandboxes on a test cluster."""

from pathlib import Path

from tests.real_kubernetes import PLACE, RealKubernetes
from tests.system import configured


def data_for(cluster: RealKubernetes, namespace: str, folder: Path, **more: object) -> Path:
    """A data folder with the settings, and `more` of them, for `running_on`."""
    settings = {
        "sandbox": "kubernetes",
        "kubeconfig": str(cluster.kubeconfig()),
        "kubernetes_namespace": namespace,
        "kubernetes_image": PLACE.image,
        **more,
    }
    return configured(folder, **settings)
