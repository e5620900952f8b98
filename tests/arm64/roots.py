"""A Debian of another kind of machine in a folder, and programs run in it.

Takes a folder and a release. Gives ``Root``. Must hold: what is mounted is seen by this process only and ends with it;
/sys is not there, since LiteRT crashes under emulation where it is; the root is made once and kept; each run finds it
without Earmark, also where the run before was cut off.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

MIRROR = "http://deb.debian.org/debian"
PACKAGES = "python3,ca-certificates,udev"
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_BINFMT = Path("/proc/sys/fs/binfmt_misc")
EMULATORS = {"arm64": "qemu-aarch64", "armhf": "qemu-arm", "amd64": ""}
CPUS = {"qemu-aarch64": "cortex-a72"}
"""A Pi 4, where the emulator's default is another: it is three times slower than this one."""
LEFT = ("opt/earmark", "etc/earmark", "var/lib/earmark", "var/lib/earmark-before-upgrade", "kits", "tmp")
"""What an earlier run may have left, besides Debian's PyAudio."""


class Root:
    """``folder``: where the root is, or will be made. ``arch``: Debian's name."""

    def __init__(self, folder: Path, release: str, arch: str) -> None:
        self.folder, self.release, self.arch = folder, release, arch

    def make(self) -> None:
        """Let debootstrap make it, unless that was done before, and take out what an earlier run left."""
        if not self.folder.exists():
            self._debootstrap()
        for name in LEFT:
            shutil.rmtree(self.folder / name, ignore_errors=True)
        (self.folder / "tmp").mkdir()
        (self.folder / "tmp").chmod(0o1777)
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
        self.run("dpkg", "--purge", "python3-pyaudio")

    def run(self, *words: str, seconds: float = 3600) -> subprocess.CompletedProcess[str]:
        """Run a program inside, as root, with an environment of its own."""
        environ = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
        environ |= {"PIP_CERT": str(_CERTIFICATES), "OMP_NUM_THREADS": "1"} | self._emulated()
        return subprocess.run(
            ["chroot", str(self.folder), *words],
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
            stdin=subprocess.DEVNULL,
        )

    def _debootstrap(self) -> None:
        """Make the root beside its place first, so that half a root is never taken for a whole one."""
        fresh = self.folder.with_name(f"{self.folder.name}.new")
        if any(os.path.ismount(fresh / name) for name in ("proc", "dev", "sys")):
            sys.exit(f"{fresh} was left half made, with something mounted in it. Unmount that.")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.parent.mkdir(parents=True, exist_ok=True)
        words = ["debootstrap", f"--arch={self.arch}", "--variant=minbase", f"--include={PACKAGES}"]
        words += [self.release, str(fresh), MIRROR]
        told = fresh.with_name(f"{self.folder.name}.log")
        with told.open("w") as log:
            done = subprocess.run(words, check=False, stdout=log, stderr=log, env=dict(os.environ) | self._emulated())
        if done.returncode != 0:
            sys.exit(f"debootstrap failed; {told} says why.")
        for name in ("proc", "sys"):  # debootstrap may leave them mounted
            subprocess.run(["umount", "--quiet", fresh / name], check=False)
        fresh.rename(self.folder)

    def _emulated(self) -> dict[str, str]:
        cpu = CPUS.get(EMULATORS[self.arch])
        return {"QEMU_CPU": cpu} if cpu else {}


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
