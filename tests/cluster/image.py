"""An image for the pods of the tests, made by hand of what this machine has: no registry is asked for anything."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from adapters.bubblewrap.catalogue import installed, locate
from adapters.kubernetes.pod import LAST_WORDS
from adapters.kubernetes.pod import SUPERVISOR as INSIDE
from adapters.supervisor.build import SUPERVISOR

TOOLS = ("bash", "cat", "env", "head", "id", "ls", "mkdir", "ps", "seq", "sh", "sleep", "sort", "tr", "uniq", "wc")
ROWS = tuple(next(row for row in installed() if row.language == language) for language in ("python", "bash"))
"""What the image runs."""
FOLDERS = ("tmp", "proc", "sys", "dev", "run", "etc", "work")
PRIVATE = str(Path(LAST_WORDS).parent).lstrip("/")
PAUSE = ["/usr/bin/sleep", "infinity"]
"""What keeps a pod's namespaces open."""
LEFT_OUT = ("test", "idlelib", "lib2to3", "__pycache__", "site-packages", "dist-packages", "config-3")
TESTS = ("test_decimal", "test_json", "test_statistics")
"""Of Python's own, which are programs that nobody here wrote."""
NEEDED = (
    *("test/__init__.py", "test/__main__.py", "test/libregrtest/*", "test/support/*", "test/decimaltestdata/*"),
    *(f"test/{place}" for name in TESTS for place in (f"{name}.py", f"{name}/*")),
)
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def write_image(archive: Path, names: Iterable[str]) -> None:
    """An OCI archive with one layer: the tools, this machine's Python, the supervisor."""
    layer = _layer()
    blobs: dict[str, bytes] = {}
    config = {
        "architecture": ARCHITECTURES[os.uname().machine],
        "os": "linux",
        "config": {"User": "65535", "Entrypoint": PAUSE, "Env": ["PATH=/usr/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": _blob(blobs, json.dumps(config).encode(), "config.v1+json"),
        "layers": [_blob(blobs, layer, "layer.v1.tar")],
    }
    described = _blob(blobs, json.dumps(manifest).encode(), "manifest.v1+json")
    named = [{**described, "annotations": {"io.containerd.image.name": name}} for name in names]
    blobs["index.json"] = json.dumps({"schemaVersion": 2, "manifests": named}).encode()
    blobs["oci-layout"] = b'{"imageLayoutVersion":"1.0.0"}'
    with tarfile.open(archive, "w") as tar:
        for path, content in blobs.items():
            _add(tar, path, content)


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _blob(blobs: dict[str, bytes], content: bytes, kind: str) -> dict[str, Any]:
    digest = _digest(content)
    blobs["blobs/" + digest.replace(":", "/")] = content
    return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": digest, "size": len(content)}


def _add(tar: tarfile.TarFile, path: str, content: bytes) -> None:
    entry = tarfile.TarInfo(path)
    entry.size, entry.mode = len(content), 0o755
    tar.addfile(entry, io.BytesIO(content))


def _layer() -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", dereference=True) as tar:
        for folder in (*FOLDERS, PRIVATE):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o700 if folder == PRIVATE else 0o755
            tar.addfile(entry)
        for path, source in _files().items():
            tar.add(source, path, recursive=False, filter=_of_root)
    return written.getvalue()


def _of_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


def _files() -> dict[str, Path]:
    """Places in the image, with the files that go there."""
    python = ROWS[0].command[0]
    interpreter = locate(python).path.resolve()
    programs = {f"usr/bin/{name}": Path(found) for name in TOOLS if (found := shutil.which(name))}
    programs |= {f"usr/bin/{name}": interpreter for name in ("python3", python)}
    modules = list(_modules(interpreter))
    libraries = _libraries([*programs.values(), *(m for m in modules if m.suffix == ".so")])
    return {
        **{str(library).lstrip("/"): library for library in libraries},
        **{str(module).lstrip("/"): module for module in modules},
        **programs,
        INSIDE.lstrip("/"): SUPERVISOR,
    }


def _modules(interpreter: Path) -> Iterator[Path]:
    """Its standard library, and some of its tests."""
    ask = [interpreter, "-I", "-c", "import sysconfig; print(sysconfig.get_path('stdlib'))"]
    folder = subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip()
    for file in filter(Path.is_file, Path(folder).rglob("*")):
        inside = file.relative_to(folder)
        if not any(part.startswith(LEFT_OUT) for part in inside.parts) or any(map(inside.match, NEEDED)):
            yield file


def _libraries(programs: Iterable[Path]) -> set[Path]:
    """What the dynamic linker would load for them, itself included."""
    said = subprocess.run(["ldd", *programs], check=False, capture_output=True, text=True).stdout
    words = (word for line in said.splitlines() for word in line.split() if not line.endswith(":"))
    return {Path(word) for word in words if word.startswith("/")}
