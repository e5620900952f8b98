"""Kits for the life of a device: today's, a newer one, and a newer one that is broken.

Takes a kit as it is published. Gives others that differ in Earmark's wheel alone.
"""

import base64
import hashlib
import json
import zipfile
from pathlib import Path

from deploy.install.kits import pack


def changed(kit: Path, out: Path, version: str, spoil: str = "", more: tuple[str, str] = ("", "")) -> Path:
    """The same kit with Earmark as ``version``. ``spoil``: a file in the wheel of which one byte is turned.
    ``more``: a file there, and what is added to its end.
    """
    work = out.with_suffix(".work")
    members: dict[str, Path] = {}
    with zipfile.ZipFile(kit) as archive:
        for name in archive.namelist():
            if name.startswith("wheels/"):
                archive.extract(name, work)
                members[name] = work / name
        targets = json.loads(archive.read("kit.json"))["targets"]
    old = next(name for name in members if name.startswith("wheels/earmark-"))
    fresh = _wheel(members.pop(old), version, spoil, more)
    pack(out, members | {f"wheels/{fresh.name}": fresh}, version, [(python, machine) for python, machine in targets])
    return out


def _wheel(path: Path, version: str, spoil: str, more: tuple[str, str]) -> Path:
    before = path.name.split("-")[1]
    fresh = path.with_name(path.name.replace(f"-{before}-", f"-{version}-"))
    rows = []
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(fresh, "w", zipfile.ZIP_DEFLATED) as target:
        for old in source.namelist():
            name = old.replace(f"earmark-{before}.dist-info", f"earmark-{version}.dist-info")
            content = source.read(old)
            if name.endswith(".dist-info/RECORD"):
                continue
            if name.endswith(".dist-info/METADATA"):
                content = content.replace(f"Version: {before}".encode(), f"Version: {version}".encode(), 1)
            if name == "edge/__init__.py":
                content = content.replace(before.encode(), version.encode(), 1)
            if name == more[0]:
                content += more[1].encode()
            if name == spoil:
                middle = len(content) // 2
                content = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            rows.append(f"{name},sha256={digest},{len(content)}")
            target.writestr(name, content)
        record = f"earmark-{version}.dist-info/RECORD"
        target.writestr(record, "\n".join([*rows, f"{record},,"]) + "\n")
    return fresh
