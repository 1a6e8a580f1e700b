#!/usr/bin/python3 -B
"""Starts a program with what a unit of deploy/systemd leaves it, where no systemd runs: sandbox.py UNIT --write FOLDER … -- PROGRAM ARGUMENT …

From the unit's own lines: system calls, address families, no memory that is written and run, no set-ID bits, no namespaces, limits, umask, no
privileges ever. As root also another user without any capability and a file system that is read-only but for the folders named. A system call that
the unit does not allow ends the process by SIGSYS, so that nobody overlooks it.
"""

import ctypes
import os
import pathlib
import re
import resource
import struct
import subprocess
import sys

HEADER = pathlib.Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
ARCH = 0xC000003E  # AUDIT_ARCH_X86_64
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
EPERM, ENOSYS, EAFNOSUPPORT = 1, 38, 97
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}
NAMESPACES = 0x7E020000 | 0x80  # CLONE_NEW…
SET_IDS = 0o6000
USER = 65534

libc = ctypes.CDLL(None, use_errno=True)


def settings(path):
    """{key: [values]} of the section [Service]; an empty value begins anew, as systemd has it."""
    found = {}
    for line in pathlib.Path(path).read_text().partition("[Service]")[2].partition("[Install]")[0].splitlines():
        key, is_one, value = line.partition("=")
        if line.startswith("#") or not is_one:
            continue
        found[key] = found.get(key, []) + [value] if value else [""]
    return found


def groups():
    """systemd's sets of system calls: {"@name": {names}}."""
    told = subprocess.run(["systemd-analyze", "--no-pager", "syscall-filter"], capture_output=True, text=True, check=True, env={**os.environ, "SYSTEMD_COLORS": "0"})
    found, at = {}, None
    for line in told.stdout.splitlines():
        word = line.strip()
        if line.startswith("@"):
            at = found.setdefault(word, set())
        elif line.startswith("#"):
            at = None
        elif at is not None and word and not word.startswith("#"):
            at.add(word)
    return found


def allowed(lines, sets):
    """What SystemCallFilter= lines leave, as systemd reads them: names added, names behind ~ taken away again, @default always there."""

    def of(name):
        return set().union(*(of(inner) for inner in sets[name])) if name.startswith("@") else {name}

    left = of("@default")
    for line in lines:
        names = set().union(*(of(name) for name in line.lstrip("~").split()))
        left = left - names if line.startswith("~") else left | names
    return left


def numbers():
    return {name: int(number) for name, number in re.findall(r"#define __NR_(\w+) (\d+)", HEADER.read_text())}


class Filter:
    """A classic BPF program over struct seccomp_data: nr at 0, arch at 4, the arguments' lower halves at 16, 24, 32 …"""

    def __init__(self):
        self.code = []

    def add(self, code, k, jt=0, jf=0):
        self.code.append(struct.pack("=HBBI", code, jt, jf, k & 0xFFFFFFFF))

    def load(self, at):
        self.add(0x20, at)

    def answer(self, what):
        self.add(0x06, what)

    def when_call(self, number, body):
        """body() for this call alone; the number is loaded again behind it."""
        inner = Filter()
        body(inner)
        inner.load(0)
        self.add(0x15, number, 0, len(inner.code))
        self.code += inner.code

    def errno_when_all_set(self, argument, bits, errno):
        """The call fails when the argument has all the bits."""
        self.load(16 + 8 * argument)
        self.add(0x54, bits)
        self.add(0x15, bits, 0, 1)
        self.answer(ERRNO | errno)

    def errno_when_any_set(self, argument, bits, errno):
        self.load(16 + 8 * argument)
        self.add(0x45, bits, 0, 1)
        self.answer(ERRNO | errno)

    def errno_unless_one_of(self, argument, values, errno):
        self.load(16 + 8 * argument)
        for i, value in enumerate(values):
            self.add(0x15, value, len(values) - i, 0)
        self.answer(ERRNO | errno)


def program(unit, sets):
    nr = numbers()
    f = Filter()
    f.load(4)
    f.add(0x15, ARCH, 1, 0)
    f.answer(KILL)
    f.load(0)
    if unit.get("RestrictNamespaces") == ["yes"]:
        f.when_call(nr["clone3"], lambda b: b.answer(ERRNO | ENOSYS))  # its flags lie in memory; libc falls back
        f.when_call(nr["clone"], lambda b: b.errno_when_any_set(0, NAMESPACES, EPERM))
    if unit.get("MemoryDenyWriteExecute") == ["yes"]:
        f.when_call(nr["mmap"], lambda b: b.errno_when_all_set(2, 2 | 4, EPERM))
        f.when_call(nr["mprotect"], lambda b: b.errno_when_all_set(2, 4, EPERM))
        f.when_call(nr["pkey_mprotect"], lambda b: b.errno_when_all_set(2, 4, EPERM))
    if unit.get("RestrictSUIDSGID") == ["yes"]:
        for call, argument in (("chmod", 1), ("fchmod", 1), ("fchmodat", 2), ("mkdir", 1), ("mkdirat", 2)):
            f.when_call(nr[call], lambda b, a=argument: b.errno_when_any_set(a, SET_IDS, EPERM))
    if unit.get("RestrictRealtime") == ["yes"]:
        f.when_call(nr["sched_setscheduler"], lambda b: b.errno_unless_one_of(1, (0, 3, 5), EPERM))  # SCHED_OTHER, BATCH, IDLE
    families = [FAMILIES[name] for name in " ".join(unit.get("RestrictAddressFamilies", [])).split()]
    if families:
        f.when_call(nr["socket"], lambda b: b.errno_unless_one_of(0, families, EAFNOSUPPORT))
    f.load(0)
    for name in sorted(allowed(unit["SystemCallFilter"], sets) & nr.keys()):
        f.add(0x15, nr[name], 0, 1)
        f.answer(ALLOW)
    f.answer(KILL)
    return b"".join(f.code)


def prctl(*args):
    if libc.prctl(*args) != 0:
        raise OSError(ctypes.get_errno(), f"prctl{args}")


def mount(source, target, kind, flags, data=None):
    if libc.mount(source, target, kind, flags, data) != 0:
        raise OSError(ctypes.get_errno(), f"mount {target}")


def read_only_but(folders):
    """A file system of its own, on which only the folders can be written."""
    rdonly, remount, bind, rec, private = 1, 32, 4096, 16384, 1 << 18
    if libc.unshare(0x00020000) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    mount(b"none", b"/", None, rec | private)
    for folder in folders:
        mount(folder.encode(), folder.encode(), None, bind)
    mount(b"/", b"/", None, bind | rec)
    os.chroot("/")  # into the copy that is made read-only
    for line in reversed(pathlib.Path("/proc/self/mountinfo").read_text().splitlines()):
        at = line.split()[4].encode().decode("unicode_escape")
        if at in folders or at.startswith(("/proc", "/sys", "/dev")):
            continue
        libc.mount(None, at.encode(), None, remount | bind | rdonly, None)


def limits(unit):
    for key, which in (("LimitNOFILE", resource.RLIMIT_NOFILE), ("LimitMEMLOCK", resource.RLIMIT_MEMLOCK), ("LimitCORE", resource.RLIMIT_CORE)):
        for value in unit.get(key, []):
            number = int(value.rstrip("KMG")) * {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}.get(value[-1], 1)
            most = resource.getrlimit(which)[1]  # raising that takes more rights than a test may have
            resource.setrlimit(which, (min(number, most) if most >= 0 else number,) * 2)
    for value in unit.get("UMask", []):
        os.umask(int(value, 8))


def main():
    at = sys.argv.index("--")
    path, folders, argv = sys.argv[1], sys.argv[3:at], sys.argv[at + 1:]
    unit = settings(path)
    code = program(unit, groups())
    limits(unit)
    if os.getuid() == 0:
        read_only_but(folders)
        for right in range(64):
            libc.prctl(24, right, 0, 0, 0)  # PR_CAPBSET_DROP; beyond the last it fails
        os.setgroups([])
        os.setgid(USER)
        os.setuid(USER)
    prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
    held = ctypes.create_string_buffer(code, len(code))
    fprog = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(held)))
    os.environ["WATCHDOG_PID"] = str(os.getpid())
    prctl(22, 2, fprog, 0, 0)  # PR_SET_SECCOMP
    os.execv(argv[0], argv)


if __name__ == "__main__":
    main()
