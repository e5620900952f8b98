"""A Debian of another kind of machine in a folder, and programs run in it.

Takes a folder and a release. Gives ``Root``. Must hold: what is mounted is seen by this process only and ends with it;
/sys is not there, since LiteRT crashes under emulation where it is; the root is made once and kept.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

MIRROR = "http://deb.debian.org/debian"
PACKAGES = "python3,ca-certificates,libportaudio2,python3-pyaudio,udev"
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_BINFMT = Path("/proc/sys/fs/binfmt_misc")
EMULATORS = {"arm64": "qemu-aarch64", "amd64": ""}


class Root:
    """``folder``: where the root is, or will be made. ``arch``: Debian's name."""

    def __init__(self, folder: Path, release: str, arch: str) -> None:
        self.folder, self.release, self.arch = folder, release, arch

    def make(self) -> None:
        """Let debootstrap make it, unless that was done before. Emulated, this takes minutes."""
        done = self.folder / "etc" / "earmark-root"
        if not done.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            words = ["debootstrap", f"--arch={self.arch}", "--variant=minbase", f"--include={PACKAGES}"]
            with (self.folder.parent / f"{self.folder.name}.log").open("w") as log:
                subprocess.run([*words, self.release, self.folder, MIRROR], check=True, stdout=log, stderr=log)
            done.touch()
        for name in ("resolv.conf", "hosts"):
            shutil.copy(f"/etc/{name}", self.folder / "etc" / name)
        if _CERTIFICATES.exists():
            (self.folder / "etc/ssl/certs").mkdir(parents=True, exist_ok=True)
            shutil.copy(_CERTIFICATES, self.folder / "etc/ssl/certs")
        policy = self.folder / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n")  # nothing is started in here
        policy.chmod(0o755)
        for name in ("proc", "dev"):
            subprocess.run(["mount", "--bind", f"/{name}", self.folder / name], check=True)

    def run(self, *words: str, seconds: float = 3600) -> subprocess.CompletedProcess[str]:
        """Run a program inside, as root, with an environment of its own."""
        environ = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
        environ |= {"PIP_CERT": str(_CERTIFICATES), "OMP_NUM_THREADS": "1"}
        if EMULATORS[self.arch]:
            environ["QEMU_CPU"] = "cortex-a72"  # a Pi 4; the emulator's default is three times slower here
        return subprocess.run(
            ["chroot", str(self.folder), *words],
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
            stdin=subprocess.DEVNULL,
        )


def prepare(arch: str) -> None:
    """See that roots can be made and run here; go on in a mount namespace of our own. Ends with a sentence if not."""
    if os.geteuid() != 0:
        sys.exit("Only root can make a Debian in a folder. Put sudo before the command.")
    needed = {"debootstrap": "debootstrap", "unshare": "util-linux"}
    if EMULATORS[arch]:
        needed |= {f"{EMULATORS[arch]}-static": "qemu-user-static", "update-binfmts": "binfmt-support"}
    if missing := sorted(package for program, package in needed.items() if not shutil.which(program)):
        sys.exit(f"Something is missing: sudo apt install {' '.join(missing)}")
    if "EARMARK_UNSHARED" not in os.environ:
        os.environ["EARMARK_UNSHARED"] = "1"
        os.execvp("unshare", ["unshare", "--mount", sys.executable, "-m", "tests.arm64.check", *sys.argv[1:]])
    if EMULATORS[arch] and not (_BINFMT / EMULATORS[arch]).exists():
        if not (_BINFMT / "register").exists():
            subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", _BINFMT], check=True)
        subprocess.run(["update-binfmts", "--enable", EMULATORS[arch]], check=True)
