"""``make test-arm64``: the life of Earmark on a Pi, in a Debian for arm64 that is emulated here.

For each release: a kit made here is installed in the root, run again, upgraded to a broken version (which must be taken
back) and to a good one, rolled back, and removed; udev judges the rules; and the networks give what they give on this
machine, bit for bit through the reference kernels. On armhf, where Earmark does not run, the kit must say so.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from deploy.install.arguments import main as installer
from deploy.install.faults import EXIT_ENVIRONMENT
from deploy.install.kits import RELEASES
from deploy.snippets import udev_rule
from edge.settings.sections import DEFAULT_BUNDLE
from tests.arm64 import kits, outputs
from tests.arm64.compare import Row, compare
from tests.arm64.roots import EMULATORS, Root, prepare
from tests.steps import NotTriedError, Steps, verdict

SPOILT = f"edge/bundles/{DEFAULT_BUNDLE}/encoder.int8.tflite"
ASSETS = "/opt/earmark/current/lib/python3*/site-packages/edge/demo/assets"


class Life(Steps):
    """The steps, each a line of the report."""

    def __init__(self, root: Root, kit: Path, work: Path) -> None:
        self.root, self.kit, self.work = root, kit, work
        super().__init__()
        (root.folder / "kits").mkdir(exist_ok=True)

    def installer(self, *words: str, code: int = 0) -> dict[str, Any]:
        """Run the installer inside; gives its JSON."""
        done = self.root.run(*words, "--json")
        assert done.returncode == code, f"exit code {done.returncode}: {done.stdout[-1000:]}{done.stderr[-1000:]}"
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def runs(self) -> str:
        """The version that ``earmark`` is, as a person types it."""
        done = self.root.run("earmark", "--version")
        assert done.returncode == 0, done.stderr
        return done.stdout.split()[-1]

    def put(self, kit: Path) -> str:
        """Bring a kit into the root; gives its path there."""
        shutil.copy(kit, self.root.folder / "kits" / kit.name)
        return f"/kits/{kit.name}"

    def install(self) -> str:
        outcome = self.installer("python3", self.put(self.kit))
        assert outcome["action"] == "installed"
        assert self.runs() == outcome["version"]
        done = self.root.run("/opt/earmark/current/bin/python3", "-I", "-c", "import pyaudio")
        assert done.returncode == 0, done.stderr[-500:]
        version = self.root.folder / "opt/earmark" / outcome["version"]
        size = sum(path.lstat().st_size for path in version.rglob("*") if not path.is_symlink())
        return f"{outcome['version']}, {size / 1e6:.0f} MB"

    def refusal(self) -> str:
        said = self.installer("python3", self.put(self.kit), code=EXIT_ENVIRONMENT)["error"]
        assert said["message"].startswith("This is a 32-bit system"), said
        made = [name for name in ("opt/earmark", "etc/earmark") if (self.root.folder / name).exists()]
        assert not made, made
        return f"{said['message']}. {said['remedy']}"

    def settings(self) -> str:
        path = self.root.folder / "etc/earmark/earmark.yaml"
        path.write_text(f"# mine\n{path.read_text()}")
        assert self.installer("python3", self.put(self.kit))["action"] == "unchanged"
        assert path.read_text().startswith("# mine\n")
        return "nothing is done, and settings stay"

    def people(self) -> str:
        done = self.root.run("sh", "-c", f"earmark enroll Ada {ASSETS}/ada-enrol-*.ogg")
        assert done.returncode == 0, done.stdout[-500:] + done.stderr[-500:]
        state = self.root.folder / "var/lib/earmark"
        owners = {path.stat().st_uid for path in [state, *state.iterdir()]}
        assert len(owners) == 1 and 0 not in owners, owners
        return "Ada is enrolled; the files are the service's account's"

    def listen(self) -> str:
        clips = " ".join(f"{ASSETS}/{name}.ogg" for name in ("clip-1-ada", "clip-5-stranger"))
        done = self.root.run("sh", "-c", f"earmark identify --json {clips}")
        assert done.returncode == 0, done.stdout[-500:] + done.stderr[-500:]
        heard = [json.loads(line)["person"] for line in done.stdout.splitlines()]
        assert [person and person["name"] for person in heard] == ["Ada", None], heard
        return "Ada is told from a stranger"

    def broken(self) -> str:
        kit = kits.changed(self.kit, self.work / "broken.pyz", "9.9.1", spoil=SPOILT)
        before = self.runs()
        said = self.installer("earmark", "deploy", "upgrade", self.put(kit), code=1)
        assert self.runs() == before
        assert not (self.root.folder / "opt/earmark/9.9.1").exists()
        return f"refused: {said['error']['message'][:90]}"

    def upgrade(self) -> str:
        kit = kits.changed(self.kit, self.work / "newer.pyz", "9.9.2")
        before = self.runs()
        assert self.installer("earmark", "deploy", "upgrade", self.put(kit))["action"] == "upgraded"
        assert self.runs() == "9.9.2"
        assert self.installer("earmark", "deploy", "rollback")["action"] == "rolled back"
        assert self.runs() == before
        self.listen()
        return f"{before} to 9.9.2 and back, where Ada is still known"

    def rules(self) -> str:
        udevadm = self.root.run("udevadm", "--version").stdout.strip()
        assert udevadm.isdigit(), "there is no udevadm"
        if int(udevadm) < 254:
            raise NotTriedError(f"udevadm {udevadm} has no `verify` (it came with 254)")
        for options in ({}, {"serial": "A1"}, {"port": "1-1.3"}):
            rule = self.root.folder / "etc/udev/rules.d/85-earmark-microphone.rules"
            rule.write_text(udev_rule(vendor="2886", product="0018", **options))
            done = self.root.run("udevadm", "verify", "--root=/", "/etc/udev/rules.d/85-earmark-microphone.rules")
            assert done.returncode == 0, done.stdout + done.stderr
            rule.unlink()
        return f"udevadm {udevadm} verify: no fault in three kinds of rule"

    def remove(self) -> str:
        self.installer("earmark", "deploy", "uninstall")
        assert not (self.root.folder / "opt/earmark").exists()
        assert (self.root.folder / "var/lib/earmark/people.sqlite").exists()
        self.installer("python3", self.put(self.kit))
        self.installer("earmark", "deploy", "uninstall", "--purge")
        left = [p for p in ("opt/earmark", "etc/earmark", "var/lib/earmark") if (self.root.folder / p).exists()]
        assert not left, left
        return "people stay; with --purge nothing does"

    def networks(self, here: Path) -> list[Row]:
        """Run the networks inside, on the inputs of this machine."""
        shutil.copy(here, self.root.folder / "kits/here.npz")
        shutil.copy(outputs.__file__, self.root.folder / "kits/outputs.py")
        done = self.root.run(
            "/opt/earmark/current/bin/python3", "-I", "/kits/outputs.py", "/kits/there.npz", "/kits/here.npz"
        )
        assert done.returncode == 0, done.stderr[-1000:]
        there = dict(np.load(self.root.folder / "kits/there.npz"))
        ours = dict(np.load(here))
        print(f"      {ours['runtime']} here, {there['runtime']} there; = as promised, ! not")
        return compare(ours, there)


def live(life: Life, here: Path, *, quick: bool) -> None:
    """All steps, or with ``quick`` those about the networks. What is not installed cannot be tried further."""
    if not life.step("install", life.install):
        return
    rows: list[Row] = []
    life.step("networks", lambda: (rows.extend(life.networks(here)), f"{len(rows)} comparisons")[1])
    for row in rows:
        print(row.line())
    life.failed += [row.line().strip() for row in rows if row.holds is False]
    if not quick:
        life.step("install again", life.settings)
        life.step("enrol", life.people)
        life.step("listen", life.listen)
        life.step("broken upgrade", life.broken)
        life.step("upgrade and rollback", life.upgrade)
        life.step("udev rules", life.rules)
    life.step("remove", life.remove)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make test-arm64", description=__doc__)
    parser.add_argument("release", nargs="*", help=f"{' or '.join(RELEASES)}; both where none is named")
    parser.add_argument("--arch", choices=sorted(EMULATORS), default="arm64", help="which machine (%(default)s)")
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp/earmark-roots"), help="keeps roots (%(default)s)")
    parser.add_argument("--kit", type=Path, help="a kit to try, instead of one of this checkout")
    parser.add_argument("--quick", action="store_true", help="install, compare the networks, remove")
    options = parser.parse_args()
    if wrong := set(options.release) - set(RELEASES):
        parser.error(f"{wrong.pop()} is none of {', '.join(RELEASES)}")
    prepare(options.arch)
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="earmark-arm64-") as name:
        work = Path(name)
        here = work / "here.npz"
        os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
        narrow = options.arch == "armhf"
        if not narrow:
            subprocess.run([sys.executable, "-m", "tests.arm64.outputs", here], check=True)
        for release in options.release or sorted(RELEASES):
            kit = options.kit or work / f"earmark-{release}.pyz"
            if not options.kit:
                arch = "arm64" if narrow else options.arch
                assert installer(["kit", "--release", release, "--arch", arch, "--out", str(kit)]) == 0
            root = Root(options.folder / f"{release}-{options.arch}", release, options.arch)
            root.make()
            python = root.run("python3", "--version").stdout.strip()
            print(f"\n{release} {options.arch}, {python}", flush=True)
            life = Life(root, kit, work)
            if narrow:
                life.step("refused", life.refusal)
            else:
                live(life, here, quick=options.quick)
            failed += life.failed
    return verdict(failed)


if __name__ == "__main__":
    raise SystemExit(main())
