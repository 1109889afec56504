"""Scripts stay inside a pod."""

import socket
from pathlib import Path

import pytest

from adapters.kubernetes import Ceiling, Cluster, KubernetesSandbox, starts
from adapters.kubernetes.pod import FIRST_UID, UIDS, Pod, pod_of
from adapters.supervisor.build import build
from tests.cluster.image import ROWS
from tests.cluster.namespaces import worker_of
from tests.real_kubernetes import PLACE, RealKubernetes
from tests.security.escape import EscapeSuite, outside

MOUNTS_ON_DISK = """
import os
for line in open("/proc/self/mountinfo"):
    place, kind = line.split()[4], line.split(" - ")[1].split()[0]
    if kind not in {"tmpfs", "proc", "sysfs", "cgroup", "cgroup2", "mqueue", "devpts"} and os.access(place, os.W_OK):
        print(place)
"""
WRITABLE_IN_SYS = """
import os
files = [os.path.join(folder, name) for folder, _, names in os.walk("/sys") for name in names]
print(len(files) > 100, any(os.access(file, os.W_OK) for file in files))
"""
TOKEN = "import os; print(os.path.exists('/var/run/secrets/kubernetes.io/serviceaccount/token'))"


class TestKubernetesEscape(EscapeSuite):
    sandbox: KubernetesSandbox
    cluster: Cluster
    ids = range(FIRST_UID, FIRST_UID + UIDS)
    sees = frozenset({"/run", "/sys"})

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _open(cls, real_kubernetes: RealKubernetes):
        build()
        cls.data_folder = real_kubernetes.folder
        cls.cluster = Cluster(worker_of(real_kubernetes, "escapes", Ceiling()), "escapes")
        cls.sandbox = KubernetesSandbox(cls.cluster, PLACE, warm=2)
        cls.python = ROWS[0]
        yield
        for name in cls.sandbox.list():
            cls.sandbox.remove(name)

    def inside_with(self, monkeypatch: pytest.MonkeyPatch, probe: str, **wrong: object) -> str:
        """In a pod that is less hard: what the probe sees then shows that it can."""

        def softened(*arguments) -> Pod:
            pod = pod_of(*arguments)
            pod["spec"] |= {name: value for name, value in wrong.items() if name in pod["spec"]}
            container = pod["spec"]["containers"][0]
            container |= {name: value for name, value in wrong.items() if name in container}
            return pod

        monkeypatch.setattr(starts, "pod_of", softened)
        monkeypatch.setattr(self.sandbox._pool, "claim", lambda *_: None)
        return self.inside(probe)

    def test_the_only_interface_is_loopback_and_no_route_leads_elsewhere(self):
        """An address, for the others of its node, and no way on."""
        interfaces = "print([l.split(':')[0].strip() for l in open('/proc/net/dev') if ':' in l])"
        assert self.inside(interfaces) == "['lo', 'eth0']"
        routes = "print([l.split()[1:3] for l in open('/proc/net/route')][1:])"
        assert self.inside(routes) == "[['0000580A', '00000000']]", "10.88.0.0, and no gateway"
        routes6 = (
            "print({l.split()[4] for l in open('/proc/net/ipv6_route')}, "
            "[l for l in open('/proc/net/ipv6_route') if l.startswith('0' * 32) and l.split()[-1] != 'lo'])"
        )
        assert self.inside(routes6) == "{'" + "0" * 32 + "'} []", "no gateway, and no route to anywhere"

    def test_no_file_of_the_nodes_disk_can_be_written(self, monkeypatch: pytest.MonkeyPatch):
        assert self.inside(MOUNTS_ON_DISK) == ""
        usual = "/dev/termination-log"
        assert self.inside_with(monkeypatch, MOUNTS_ON_DISK, terminationMessagePath=usual) == usual

    def test_its_root_is_mounted_read_only(self):
        """Whoever's the files are."""
        root = (
            "print([line.split()[5].split(',')[0] for line in open('/proc/self/mountinfo') if line.split()[4] == '/'])"
        )
        assert self.inside(root) == "['ro']"
        assert outside(root) == "['rw']"

    def test_nothing_in_sys_can_be_written(self):
        assert outside(WRITABLE_IN_SYS) == "True True"
        assert self.inside(WRITABLE_IN_SYS) == "True False"

    def test_a_pod_has_no_token_of_the_cluster(self, monkeypatch: pytest.MonkeyPatch):
        assert self.inside(TOKEN) == "False"
        assert self.inside_with(monkeypatch, TOKEN, automountServiceAccountToken=True) == "True"

    def test_no_files_of_the_machine_are_where_its_own_are(self):
        assert self.inside("import os; print(os.listdir('/run'))") == "[]"
        assert socket.gethostname() not in self.inside("print(open('/etc/hosts').read())")

    def test_scripts_are_different_users(self):
        assert self.inside("import os; print(os.getuid())") != self.inside("import os; print(os.getuid())")

    def test_the_files_of_the_node_are_out_of_reach(self, real_kubernetes: RealKubernetes):
        folder: Path = real_kubernetes.folder
        probe = f"import os; print(os.path.lexists('{folder}/authority.crt'))"
        assert outside(probe) == "True"
        assert self.inside(probe) == "False"
