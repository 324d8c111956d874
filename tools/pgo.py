#!/usr/bin/env python3
"""Stores how often each function of the guard runs in the benchmark, for the optimisation of releases (what `make profile` runs).

Builds a guard that counts, in ten to twenty minutes, and runs the benchmark with it. Does so twice: for the list of what runs often, and for the
profile, by that list. Stores both in tools/pgo/, by which tools/release.py builds. To be done before a release: what has changed since goes without.

Needs cargo-zigbuild (`make package` installs it), as releases do, and llvm-profdata: `rustup component add llvm-tools`, or name another
one of the same LLVM in LLVM_PROFDATA.
"""

import argparse
import lzma
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib

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

# How often a function of a crate of this level has to run, at its busiest place, to be built at that level; all others are built for the smallest
# size. What each event runs once is counted some 6,500 times. At `s` what runs less takes little more room than at `z`, and is what loading policies
# takes its time in.
OFTEN = {2: 6_000, 3: 6_000, "s": 2_500}
# What rustc marks functions with that the list is to keep from them.
NOT_MARKED = {2: [release.SMALLEST, release.SMALL], 3: [release.SMALLEST, release.SMALL], "s": [release.SMALLEST]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep-list", action="store_true", help="count once, by the stored list of what runs often, and leave that as it is")
    arguments = parser.parse_args()
    try:
        if not arguments.keep_list:
            store_often(merged(count()))
        store(merged(count()))
    except Fault as fault:
        sys.exit(f"pgo: {fault}")


def count():
    """Runs a guard that counts. Returns the files with what it counted."""
    if not release.has_zig():
        raise Fault("cargo-zigbuild is not there: `make package` installs it")
    find_profdata()
    counted = release.built() / "pgo/counted"
    shutil.rmtree(counted, ignore_errors=True)
    # By the list that is there, as the release will be built: what is inlined before it is counted depends on it.
    flags = [release.NAMES, release.NO_VALUES, MOVABLE, f"-Cprofile-generate={counted}%c", *release.by_how_often(release.TARGET)]
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


def merged(files):
    """One profile of these counts."""
    profile = release.built() / "pgo/merged.profdata"
    # With the functions that never ran: that they did not is what sets them apart.
    release.run("adding up what was counted", [find_profdata(), "merge", "--output", profile, *files])
    return profile


def store(profile):
    """Stores a profile in the place of the one that is there."""
    keep("profdata", profile.read_bytes())


def store_often(profile):
    """Stores which functions run often, and what they are not to be marked with."""
    show = [find_profdata(), "show", "--all-functions", "--counts", profile]
    told = subprocess.run(show, check=True, capture_output=True, text=True).stdout
    lines = [f"{name} {' '.join(marks)}\n" for name, marks in sorted(often(told, levels()).items())]
    keep("often", "".join(lines).encode())


def keep(kind, content):
    """Stores a file in the place of those of other versions of rustc."""
    target = release.stored(release.TARGET, kind)
    for old in release.STORED.glob(f"{release.TARGET}-rustc-*.{kind}.xz"):
        old.unlink()
    target.write_bytes(lzma.compress(content, preset=9 | lzma.PRESET_EXTREME))
    print(f"stored {target.relative_to(release.ROOT)}: {target.stat().st_size} bytes")


def levels():
    """The level of each crate that is not built for the smallest size, by its name in functions' names."""
    profile = tomllib.loads((release.ROOT / "Cargo.toml").read_text())["profile"]["release"]
    by_package = {release.GUARD: profile, **profile["package"]}
    return {crate_in_names(package): of["opt-level"] for package, of in by_package.items() if of.get("opt-level") in OFTEN}


def crate_in_names(package):
    """A package's library, as names of functions spell it (source: RFC 2603, "undisambiguated-identifier")."""
    crate = package.replace("-", "_")
    return f"{len(crate)}{crate}"


def often(told, levels):
    """Which functions ran often for the level of their crate, as `llvm-profdata show` tells, each with what it is not to be marked with.

    A function that others make of a generic one is theirs, and names both crates: the guard's own first, then those of the highest level.
    """
    guard = crate_in_names(release.GUARD)
    order = sorted(levels, key=lambda crate: (crate != guard, levels[crate] == "s"))
    patterns = [(re.compile(rf"Cs[0-9a-zA-Z]+_{crate}"), levels[crate]) for crate in order]
    found, level, name = {}, None, None
    for line in told.splitlines():
        if function := re.fullmatch(r"  (\S+):", line):
            # What only one crate sees has that before its name.
            name = function[1].rpartition(";")[2]
            level = next((level for pattern, level in patterns if pattern.search(name)), None)
        elif line.startswith("    Block counts: [") and level is not None:
            counts = [int(count) for count in re.findall(r"\d+", line)]
            if max(counts, default=0) >= OFTEN[level]:
                found[name] = NOT_MARKED[level]
    return found


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
