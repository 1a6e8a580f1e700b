"""The Debian packages as cpack makes them: each file in its own, the same bytes again, nothing of the machine that built them.

Installing, upgrading and purging them in a Debian of its own is tests/install/run.
"""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import kurzweg_test
from kurzweg_test import BIN, SOURCE, environment

BUILD = pathlib.Path(os.environ.get("KW_BUILD_DIR", BIN.parent))
DEBIAN = SOURCE / "deploy" / "debian"
NAMES = ("kurzweg", "kurzweg-broker", "kurzweg-exporter", "kurzweg-partner", "libkurzweg-dev", "libkurzweg0")
FOR_PACKAGES_ALONE = re.compile(r"usr/share/doc/[\w-]+/(copyright|changelog\.Debian\.gz)|usr/share/lintian/overrides/[\w-]+|etc/kurzweg/(broker|partner)\.yaml")


def run(*argv, **more):
    done = subprocess.run([*map(str, argv)], capture_output=True, text=True, timeout=800, **more)
    assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
    return done.stdout


def made(folder, **more):
    """The packages, made in a folder: {name: file}."""
    run("cpack", "--config", BUILD / "CPackConfig.cmake", "-B", folder, cwd=folder, **{"umask": 0o022, **more})
    return {path.name.split("_")[0]: path for path in sorted(folder.glob("*.deb"))}


@unittest.skipUnless((BUILD / "CPackConfig.cmake").exists(), "this build folder is none for packages: cmake --preset release")
class Packages(kurzweg_test.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work = pathlib.Path(tempfile.mkdtemp(prefix="kurzweg-packages-"))
        cls.addClassCleanup(shutil.rmtree, cls.work, ignore_errors=True)
        (cls.work / "first").mkdir()
        cls.packages = made(cls.work / "first")
        cls.trees = {}
        for name, path in cls.packages.items():
            run("dpkg-deb", "-R", path, cls.work / name)
            cls.trees[name] = cls.work / name

    def files(self, name):
        tree = self.trees[name]
        return {str(path.relative_to(tree)) for path in tree.rglob("*") if not path.is_dir() and tree / "DEBIAN" not in path.parents}

    def control(self, name, file):
        return (self.trees[name] / "DEBIAN" / file).read_text()

    def test_there_are_six_and_their_version_is_the_change_logs(self):
        self.assertEqual(tuple(sorted(self.packages)), NAMES)
        version = run("dpkg-parsechangelog", "-l", DEBIAN / "changelog", "-S", "Version").strip()
        for name in NAMES:
            self.assertIn(f"\nVersion: {version}\n", self.control(name, "control"))
        self.assertTrue(version.startswith(run(BIN / "kurzweg", "--version").split()[1]))

    def test_what_is_installed_is_in_one_package_and_nothing_is_in_none(self):
        run("cmake", "--install", BUILD, "--prefix", self.work / "all" / "usr")
        there = {re.sub(r"(/man/.*)\.gz$", r"\1", str(path.relative_to(self.work / "all"))) for path in (self.work / "all").rglob("*") if not path.is_dir()}
        seen = {}
        for name in NAMES:
            for file in self.files(name):
                self.assertNotIn(file, seen, "in two packages")
                seen[file] = name
        packed = {re.sub(r"(/man/.*)\.gz$", r"\1", file) for file in seen}
        self.assertEqual(sorted(there - packed), [], "in no package: give its install rule a COMPONENT named as one")
        self.assertEqual(sorted(file for file in packed - there if not FOR_PACKAGES_ALONE.fullmatch(file)), [])
        for file, name in (("usr/sbin/kurzweg-broker", "kurzweg-broker"), ("usr/lib/systemd/system/kurzweg-broker.service", "kurzweg-broker"),
                           ("usr/lib/sysusers.d/kurzweg-partner.conf", "kurzweg-partner"), ("usr/lib/kurzweg/handlers/mail", "kurzweg-partner"),
                           ("usr/share/locale/de/LC_MESSAGES/kurzweg.mo", "kurzweg"), ("usr/share/kurzweg/monitoring/kurzweg.rules.yaml", "kurzweg-exporter"),
                           ("usr/include/kurzweg/kurzweg.h", "libkurzweg-dev")):
            self.assertEqual(seen.get(file), name, file)

    def test_each_says_its_licence_and_what_changed(self):
        for name in NAMES:
            for file in ("copyright", "changelog.Debian.gz"):
                self.assertIn(f"usr/share/doc/{name}/{file}", self.files(name))

    def test_who_maintains_them_stands_in_the_change_log_alone(self):
        maintainer = run("dpkg-parsechangelog", "-l", DEBIAN / "changelog", "-S", "Maintainer").strip()
        self.assertRegex(maintainer, r"^\S.* <\S+@\S+>$")
        for name in NAMES:
            self.assertIn(f"\nMaintainer: {maintainer}\n", self.control(name, "control"))
            self.assertIn(f"\nUpstream-Contact: {maintainer}\n", (self.trees[name] / "usr/share/doc" / name / "copyright").read_text())
        address = maintainer.partition("<")[2].rstrip(">")
        self.assertEqual([path.name for path in (SOURCE / "deploy").rglob("*") if path.is_file() and address in path.read_text()], ["changelog"])

    def test_units_call_what_the_packages_bring(self):
        for name in ("kurzweg-broker", "kurzweg-partner", "kurzweg-exporter"):
            for unit in self.trees[name].rglob("*.service"):
                for line in re.findall(r"^ExecStart=(\S+)", unit.read_text(), re.M):
                    self.assertIn(line.lstrip("/"), self.files(name), unit.name)

    def test_configuration_is_marked_as_the_operators_own(self):
        for name, file in (("kurzweg-broker", "broker.yaml"), ("kurzweg-partner", "partner.yaml")):
            self.assertEqual(self.control(name, "conffiles"), f"/etc/kurzweg/{file}\n")
            sample = (SOURCE / "deploy" / f"{file}.sample").read_text()
            self.assertEqual((self.trees[name] / "etc/kurzweg" / file).read_text(), sample)

    def test_nobody_but_root_may_change_what_is_installed(self):
        for name, path in self.packages.items():
            for line in run("dpkg-deb", "-c", path).splitlines():
                rights, owner = line.split()[:2]
                self.assertEqual(owner, "root/root", line)
                if rights[0] == "d":
                    self.assertEqual(rights, "drwxr-xr-x", f"{name}: {line}")
                elif rights[0] == "-":
                    self.assertIn(rights, ("-rw-r--r--", "-rwxr-xr-x"), f"{name}: {line}")

    def test_no_path_of_this_machine_stands_in_them(self):
        for name in NAMES:
            for file in self.files(name):
                path = self.trees[name] / file
                if not path.is_symlink():
                    self.assertNotIn(str(SOURCE).encode() + b"/", path.read_bytes(), f"{name}: {file}")

    def test_the_same_bytes_again_elsewhere_at_another_time(self):
        (self.work / "second").mkdir()
        again = made(self.work / "second", umask=0o022, env=environment(TZ="Asia/Tokyo", LANG="C"))
        for name, path in self.packages.items():
            self.assertEqual(path.read_bytes(), again[name].read_bytes(), f"{name} differs")

    def test_symbols_are_the_librarys_and_known_to_debian(self):
        library = next(self.trees["libkurzweg0"].rglob("libkurzweg.so.0.*"))
        exported = {line.split()[-1] for line in run("nm", "-D", "--defined-only", library).splitlines()}
        listed = {line.split()[0].partition("@")[0] for line in self.control("libkurzweg0", "symbols").splitlines() if line.startswith(" ")}
        self.assertEqual({name.partition("@")[0] for name in exported}, listed)
        self.assertEqual(listed - {"KURZWEG_0"}, set((SOURCE / "clients/lib/symbols").read_text().split()))
        self.assertEqual(self.control("libkurzweg0", "shlibs").split()[:3], ["libkurzweg", "0", "libkurzweg0"])

    def test_maintainer_scripts_are_shells_own_and_whole(self):
        for name in NAMES:
            for script in ("postinst", "prerm", "postrm"):
                path = self.trees[name] / "DEBIAN" / script
                if path.exists():
                    run("sh", "-n", path)
                    self.assertNotIn("#COMMON#", path.read_text())
        self.assertEqual((self.trees["kurzweg-partner"] / "DEBIAN/postinst").read_text(),
                         (DEBIAN / "kurzweg-partner.postinst").read_text().replace("#COMMON#", (DEBIAN / "common.sh").read_text()))  # no sign lost in CMake


if __name__ == "__main__":
    kurzweg_test.main()
