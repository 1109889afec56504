"""The configuration of a Kubernetes node on loopback, and the script that starts it in namespaces of its own."""

from pathlib import Path

import msgspec

PAUSE_IMAGE = "localhost/pause:1"

CONTAINERD = """
version = 2
root = "{folder}/containerd"
state = "/run/containerd-state"
[grpc]
  address = "/run/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "/run/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  disable_apparmor = true
  disable_hugetlb_controller = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
"""

# All it mounts, and all it starts, ends with it: it is the first process of a PID namespace and of a mount namespace.
# Host folders that a runtime writes to whatever it is told are covered.
SCRIPT = """
set -e
cd {folder}
for covered in /run /var/log /var/lib; do mount -t tmpfs tmpfs $covered; done
mkdir -p /run/netns
containerd --config containerd.toml >containerd.log 2>&1 &
until ctr -a /run/containerd.sock -n k8s.io images import image.tar >import.log 2>&1; do sleep 0.05; done
{program} kubelet --config=kubelet.json --kubeconfig=localhost.kubeconfig --root-dir={folder}/kubelet \
  --cert-dir={folder}/kubelet-keys --hostname-override=localhost >kubelet.log 2>&1 &
wait
"""

# Sealed: an address, but no gateway and no route, so that pods reach neither this machine nor anything else.
NETWORK = {
    "type": "bridge",
    "isGateway": False,
    "ipMasq": False,
    "ipam": {"type": "host-local", "dataDir": "/run/addresses", "ranges": [[{"subnet": "10.88.0.0/16"}]]},
}

KUBELET = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1",
    "kind": "KubeletConfiguration",
    "address": "127.0.0.1",
    "readOnlyPort": 0,
    "healthzPort": 0,
    "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": False}},
    "authorization": {"mode": "AlwaysAllow"},
    "containerRuntimeEndpoint": "unix:///run/containerd.sock",
    "cgroupDriver": "cgroupfs",
    "failCgroupV1": False,
    "failSwapOn": False,
    "oomScoreAdj": 0,
    "podPidsLimit": 1024,
    "maxPods": 100,
    "enforceNodeAllocatable": ["pods"],
    "makeIPTablesUtilChains": False,
    "imageGCHighThresholdPercent": 100,
    "evictionHard": {
        "memory.available": "50Mi",
        "nodefs.available": "0%",
        "nodefs.inodesFree": "0%",
        "imagefs.available": "0%",
        "imagefs.inodesFree": "0%",
    },
    "nodeStatusUpdateFrequency": "5s",
    "syncFrequency": "10s",
    "serializeImagePulls": False,
    "registryPullQPS": 0,
    "kubeAPIQPS": 200,
    "kubeAPIBurst": 400,
}


def write_node(folder: Path, program: Path, port: int, bridge: str, cgroup: str) -> None:
    """`port` is the kubelet's; `bridge` and `cgroup` are what stands outside of its namespaces."""
    kubelet = {
        **KUBELET,
        "port": port,
        "cgroupRoot": f"/{cgroup}",
        "podLogsDir": str(folder / "logs"),
        "volumePluginDir": str(folder / "plugins"),
    }
    kubelet["authentication"] = {**KUBELET["authentication"], "x509": {"clientCAFile": str(folder / "authority.crt")}}
    network = {"cniVersion": "1.0.0", "name": "pods", "plugins": [{**NETWORK, "bridge": bridge}]}
    (folder / "cni").mkdir()
    (folder / "cni" / "pods.conflist").write_bytes(msgspec.json.encode(network))
    (folder / "kubelet.json").write_bytes(msgspec.json.encode(kubelet))
    (folder / "containerd.toml").write_text(CONTAINERD.format(folder=folder, pause=PAUSE_IMAGE))
    (folder / "node.sh").write_text(SCRIPT.format(folder=folder, program=program))
