"""How executables are built for a release: for an old C library, and optimised by a stored profile.

tools/pgo/ has the profile: how often each function ran in the benchmark (tools/pgo.py stores it), and a list of those that ran often. Functions
are told apart by names that depend on the version of rustc and on how cargo was called, so it is of one rustc and of builds by cargo-zigbuild.
Others go without it: the executable does the same, starts slower and takes more memory and CPU. So does what has changed since the profile was
stored.
"""

import hashlib
import lzma
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
STORED = ROOT / "tools/pgo"
LAYOUT = STORED / "layout.ld"
GUARD = "aks-stop-guard"
TARGET = "x86_64-unknown-linux-gnu"

# Azure documents no C library of its images. Those of host 4 that are public have Debian 11's (2.31) or a newer one; this is Debian 10's.
GLIBC = (2, 28)

# Flags of the build that counts and of the one that uses what was counted.
# Names without a hash of their own, which would change with more than what they name.
NAMES = "-Csymbol-mangling-version=v0"
# Not the values of arguments: they are only written by a process that ends by itself, and the guard doesn't.
NO_VALUES = "-Cllvm-args=-disable-vp=true"

# Flags of the build that uses what was counted.
# Less is inlined than LLVM would by itself (bounds of 3,000 where a call runs often, and 225 elsewhere): it takes less room, and an event no more CPU
# (docs/PERFORMANCE.md).
INLINED = ["-Cllvm-args=-hot-callsite-threshold=325", "-Cllvm-args=-inlinedefault-threshold=100"]
# Each function keeps where its frame begins. The tables for unwinding are a third smaller by that, since they don't tell each push and pop.
FRAMES = "-Cforce-frame-pointers=yes"
# What rustc marks functions with that are built to be small: both at level `z`, the second at `s`.
SMALLEST, SMALL = "minsize", "optsize"


class Fault(Exception):
    """What the user has to mend, in one line."""


def build(package, target, portable):
    """Builds a package for a release. Says what it has to do without."""
    flags = []
    profile = stored(target)
    if not has_zig() and portable:
        raise Fault("cargo-zigbuild is not there: `make package` installs it, or `pip install -r tools/zigbuild-requirements.txt`")
    if not has_zig():
        warn("without cargo-zigbuild the executable needs a C library as new as this machine's, and goes without a profile: it starts slower")
    elif not profile.exists():
        warn(f"there is no profile of `{target}` for rustc {rustc()['release']}: the executable starts slower, and takes more memory and CPU")
    else:
        by_profile = [f"-Cprofile-use={unpacked(profile)}", *by_how_often(target)]
        flags = [NAMES, NO_VALUES, *INLINED, FRAMES, f"-Clink-arg=-Wl,-T,{LAYOUT}", *by_profile]
    cargo(package, target, flags)


def cargo(package, target, flags, environment=None):
    """Runs cargo with these flags for rustc beside those that are set."""
    environment = {**os.environ, **(environment or {})}
    if zigbuild := zigbuild_folder():
        environment["PATH"] = os.pathsep.join([str(zigbuild), environment.get("PATH", "")])
    given = environment.get("CARGO_ENCODED_RUSTFLAGS", "\x1f".join(environment.get("RUSTFLAGS", "").split()))
    if flags:
        environment["CARGO_ENCODED_RUSTFLAGS"] = "\x1f".join(([given] if given else []) + flags)
    oldest = "." + ".".join(map(str, GLIBC)) if target.endswith("-gnu") else ""
    command = ["zigbuild", "--target", target + oldest] if has_zig() else ["build", "--target", target]
    run("the build", ["cargo", *command, "--release", "--quiet", "--locked", "--package", package, "--bins"], environment)


def stored(target, kind="profdata"):
    """Where the profile for a target is, or what runs often by it, if there is one for this rustc."""
    return STORED / f"{target}-rustc-{rustc()['release']}.{kind}.xz"


def by_how_often(target):
    """Flags by which what runs often is built at the level of its crate, and everything else for the smallest size.

    Cargo knows levels of crates only, and most of a crate never runs. LLVM inlines nothing into what is built to be small for running often.
    Each line of the list names a function and what it is not to be marked with.
    """
    packed = stored(target, "often")
    if not packed.exists():
        return []
    flags = [f"-Cllvm-args=-force-attribute={mark}" for mark in (SMALLEST, SMALL)]
    for line in lzma.decompress(packed.read_bytes()).decode().splitlines():
        name, *marks = line.split()
        flags += [f"-Cllvm-args=-force-remove-attribute={name}:{mark}" for mark in marks]
    # More than a command line takes: rustc reads them from a file.
    file = kept("args", "\n".join(flags).encode())
    return [f"@{file}"]


def unpacked(profile):
    """The profile as rustc reads it."""
    return kept("profdata", lzma.decompress(profile.read_bytes()))


def kept(kind, content):
    """A file with this in it, named by it, since cargo doesn't look into it."""
    file = built() / "pgo" / f"{hashlib.sha256(content).hexdigest()[:16]}.{kind}"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_bytes(content)
        part.replace(file)
    return file


def has_zig():
    """Whether there is a linker for the old C library."""
    return bool(zigbuild_folder() or shutil.which("cargo-zigbuild"))


def zigbuild_folder():
    """Where `make package` installs cargo-zigbuild and zig, if it did."""
    for name in ("bin", "Scripts"):
        folder = ROOT / ".tools/zigbuild" / name
        if any((folder / f"cargo-zigbuild{suffix}").exists() for suffix in ("", ".exe")):
            return folder
    return None


def rustc():
    """What `rustc --version --verbose` says, by name."""
    told = subprocess.run(["rustc", "--version", "--verbose"], check=True, capture_output=True, text=True).stdout
    return dict(re.findall(r"^([^:\n]+): (.*)$", told, re.MULTILINE))


def built():
    """Where cargo puts what it builds."""
    return (ROOT / os.environ.get("CARGO_TARGET_DIR", "target")).resolve()


def run(what, command, environment=None):
    if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode != 0:
        raise Fault(f"{what} failed: {' '.join(map(str, command))}")


def warn(what):
    print(f"warning: {what}", file=sys.stderr)
