#!/usr/bin/env python3
"""Stores how often each function of the guard runs in the benchmark, for the optimisation of releases (what `make profile` runs).

Builds a guard that counts, in some ten minutes, and runs the benchmark with it. Stores what it counted in tools/pgo/, by which tools/release.py
builds. To be done before a release: what has changed since goes without.

Needs cargo-zigbuild (`make package` installs it), as releases do, and llvm-profdata: `rustup component add llvm-tools`, or name another
one of the same LLVM in LLVM_PROFDATA.
"""

import argparse
import lzma
import os
import pathlib
import shutil
import subprocess
import sys

import release
from release import Fault

# Counters are in the file itself (`%c` in its name), so that nothing is lost when a process is killed. For that they have to be movable.
MOVABLE = "-Cllvm-args=-runtime-counter-relocation"

# What the guard does while it counts. Starts are few, since each writes the largest messages that there are for its sinks, a thousand times
# what an event does.
BENCHMARKS = [
    ["--only", "start", "--starts", "5"],
    ["--only", "warm", "--warm-events", "500"],
    ["--only", "memory"],
]
# How often all tests of policies are run: each loads and asks policies.
POLICY_TESTS = 20


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    try:
        store(count())
    except Fault as fault:
        sys.exit(f"pgo: {fault}")


def count():
    """Runs a guard that counts. Returns the files with what it counted."""
    if not release.has_zig():
        raise Fault("cargo-zigbuild is not there: `make package` installs it")
    find_profdata()
    counted = release.built() / "pgo/counted"
    shutil.rmtree(counted, ignore_errors=True)
    flags = [release.NAMES, release.NO_VALUES, MOVABLE, f"-Cprofile-generate={counted}%c"]
    # zig's own linker can't link what counts. Functions have the same names with another one.
    linker = {"CARGO_TARGET_" + release.TARGET.upper().replace("-", "_") + "_LINKER": "cc"}
    for package in [release.GUARD, "minimal-server", "bare-requests"]:
        print(f"building {package}, counting", flush=True)
        release.cargo(package, release.TARGET, flags, linker)
    print("building what measures", flush=True)
    release.run("the build", ["cargo", "build", "--profile", "simulation", "--quiet", "--locked", "--package", "bench"])

    folder = release.built() / release.TARGET / "release"
    guard = folder / release.GUARD
    tests = sorted((release.ROOT / "policies").glob("**/tests/*.yaml"))
    print("running the tests of policies", flush=True)
    for _ in range(POLICY_TESTS):
        quietly([guard, "policy", "test", *tests], {0})
    for benchmark in BENCHMARKS:
        print(f"running bench {' '.join(benchmark)}", flush=True)
        # The guard gets an environment of its own from it; the programs beside it shall not count. 3: slower than its limits, since it counts.
        bench = [release.built() / "simulation/bench", "--guard", guard, "--beside", folder, *benchmark]
        quietly(bench, {0, 3}, {"LLVM_PROFILE_FILE": os.devnull})
    # What counts is slower. Nobody shall take it for what is released, or measure beside it.
    for name in [release.GUARD, "minimal-server", "echo-server", "bare-requests"]:
        (folder / name).unlink(missing_ok=True)
    files = sorted(counted.glob("*.profraw"))
    if not files:
        raise Fault(f"nothing was counted in `{counted}`")
    return files


def store(files):
    merged = release.built() / "pgo/merged.profdata"
    # With the functions that never ran: that they did not is what sets them apart.
    release.run("adding up what was counted", [find_profdata(), "merge", "--output", merged, *files])
    target = release.stored(release.TARGET)
    for old in release.STORED.glob(f"{release.TARGET}-rustc-*.profdata.xz"):
        old.unlink()
    target.write_bytes(lzma.compress(merged.read_bytes(), preset=9 | lzma.PRESET_EXTREME))
    print(f"stored {target.relative_to(release.ROOT)}: {target.stat().st_size} bytes")


def find_profdata():
    """llvm-profdata of rustc's own LLVM: another one may not read its files."""
    told = release.rustc()
    sysroot = subprocess.run(["rustc", "--print", "sysroot"], check=True, capture_output=True, text=True).stdout.strip()
    of_rustup = pathlib.Path(sysroot) / "lib/rustlib" / told["host"] / "bin/llvm-profdata"
    of_system = shutil.which(f"llvm-profdata-{told['LLVM version'].split('.')[0]}")
    found = os.environ.get("LLVM_PROFDATA") or (of_rustup if of_rustup.exists() else of_system)
    if not found:
        raise Fault("llvm-profdata is not there: `rustup component add llvm-tools`")
    return found


def quietly(command, codes, environment=None):
    environment = {**os.environ, **(environment or {})}
    code = subprocess.run(command, cwd=release.ROOT, env=environment, stdout=subprocess.DEVNULL, check=False).returncode
    if code not in codes:
        raise Fault(f"exit code {code}: {' '.join(map(str, command))}")


if __name__ == "__main__":
    main()
