#!/usr/bin/env python3
"""Looks whether the programs that are installed were really built hardened.

    tests/static/hardening.py FOLDER     the folder with the programs, build/bin

Reads them with readelf: position independent, read-only relocations bound at the start, no executable stack, no segment that is both
writable and executable, stack protector, checked library calls. The marks for indirect branches are no part of it: Debian's own start files do not carry them, so that
the linker takes them from every program.
"""
import pathlib
import subprocess
import sys

PROGRAMS = ("kurzweg", "kurzweg-broker", "kurzweg-partner")


def readelf(option, path):
    return subprocess.run(["readelf", "--wide", option, path], check=True, capture_output=True, text=True).stdout


def lacks(path):
    """What is missing, a sentence each."""
    segments, dynamic, symbols = readelf("--program-headers", path), readelf("--dynamic", path), readelf("--dyn-syms", path)
    flags = {line.split()[0]: line.split()[6:-1] for line in segments.splitlines() if line.split()[:1] and line.split()[0] in ("LOAD", "GNU_STACK", "GNU_RELRO")}
    if "DYN (Position-Independent Executable file)" not in readelf("--file-header", path):
        yield "is not position independent"
    if "GNU_RELRO" not in flags:
        yield "has no read-only relocations"
    if "BIND_NOW" not in dynamic and "NOW" not in dynamic:
        yield "binds its symbols lazily"
    if "GNU_STACK" not in flags or "E" in "".join(flags["GNU_STACK"]):
        yield "has an executable stack"
    for line in segments.splitlines():
        if line.split()[:1] == ["LOAD"] and "W" in "".join(line.split()[6:-1]) and "E" in "".join(line.split()[6:-1]):
            yield "has a segment that is writable and executable"
    if "__stack_chk_fail" not in symbols:
        yield "has no stack protector"
    if not any(name in symbols for name in ("__snprintf_chk", "__vsnprintf_chk", "__memcpy_chk", "__fprintf_chk")):
        yield "calls the C library unchecked"
    if "RPATH" in dynamic or "RUNPATH" in dynamic:
        yield "takes libraries from a folder of its own"


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    wrong = [f"{name} {what}" for name in PROGRAMS for what in lacks(pathlib.Path(sys.argv[1]) / name)]
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
