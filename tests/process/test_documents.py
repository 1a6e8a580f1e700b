"""The documents say what is: commands that work, links that lead somewhere, a map of this tree, promises that tests cite."""

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import unittest

import kurzweg_test
from kurzweg_test import BIN, SOURCE, environment, free_ports

BUILD = pathlib.Path(os.environ.get("KW_BUILD_DIR", BIN.parent))
FOREIGN = {  # how the table in docs/architecture.md calls what CMake calls otherwise
    "libyaml": "PkgConfig::YAML", "protobuf-c": "PkgConfig::PROTOBUF_C", "libsodium": "PkgConfig::SODIUM", "libzstd": "PkgConfig::ZSTD",
    "jansson": "PkgConfig::JANSSON", "ncurses": "PkgConfig::NCURSES", "libxml2": "PkgConfig::XML", "LMDB": "PkgConfig::LMDB", "SQLite": "PkgConfig::SQLITE",
    "ZeroMQ": "PkgConfig::ZMQ", "libmicrohttpd": "PkgConfig::MICROHTTPD", "libxxhash": "PkgConfig::XXHASH", "libcsv": "CSV::CSV", "libm": "m", "threads": "Threads::Threads",
}
PURE = {"topic": "proto", "frame": "proto", "cases": "cases", "broker_core": "broker", "partner_core": "clients/partner"}  # and the folder of its archive
PURE_BASE = {"err.c.o", "span.c.o", "text.c.o"}  # what pure libraries may use of base; never clock, files, log
PURE_LIBC = set("""abort bsearch calloc free gmtime_r malloc memchr memcmp memcpy memmove memset qsort realloc snprintf strcasecmp strchr strcmp strcpy
                   strcspn strdup strftime strlen strncmp strnlen strrchr strspn vsnprintf""".split())
SHARED = {  # the libraries in which what is foreign lies
    "PkgConfig::YAML": "libyaml-0.so", "PkgConfig::PROTOBUF_C": "libprotobuf-c.so", "PkgConfig::SODIUM": "libsodium.so", "PkgConfig::ZSTD": "libzstd.so",
    "PkgConfig::JANSSON": "libjansson.so", "PkgConfig::XML": "libxml2.so", "PkgConfig::LMDB": "liblmdb.so", "PkgConfig::SQLITE": "libsqlite3.so",
    "CSV::CSV": "libcsv.so", "PkgConfig::ZMQ": "libzmq.so", "PkgConfig::MICROHTTPD": "libmicrohttpd.so", "PkgConfig::XXHASH": "libxxhash.so",
}
PROGRAMS = {"kurzweg", "kurzweg-broker", "kurzweg-exporter", "kurzweg-partner"}
QUESTIONS = {"cases", "broker_core"}  # they ask the agreement (agreement_…), which whoever links them brings along
COMPILER = re.compile(r"_GLOBAL_OFFSET_TABLE_|__(asan|ubsan|tsan|gcov|llvm|stack_chk|sanitizer)_\w+|__\w+_chk")


def pages():
    """Every page of the tree, by its path from the top."""
    listed = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"], cwd=SOURCE,
                            capture_output=True, text=True)
    names = listed.stdout.split("\0") if listed.returncode == 0 else [str(p.relative_to(SOURCE)) for p in SOURCE.glob("**/*.md") if "build" not in p.parts]
    return {name: (SOURCE / name).read_text() for name in names if name and (SOURCE / name).is_file()}


def without_code(text):
    return re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)


def anchors(text):
    """The names that the headings of a page can be reached by."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", without_code(text), re.M)}


def made_by_cmake(public_only=False):
    """What every target of the products links by itself, as CMake's lists say: {target: {names}}; or what it hands on to who links it."""
    found = {}
    for path in SOURCE.glob("**/CMakeLists.txt"):
        if "build" in path.relative_to(SOURCE).parts or path.relative_to(SOURCE).parts[0] == "tests":
            continue
        text = re.sub(r"#.*", "", path.read_text())
        for kind, inside in re.findall(r"\b(kw_library|kw_program|kw_protobuf)\(([^)]*)\)", text):
            name, *words = inside.split()
            taking, links = False, {"PkgConfig::PROTOBUF_C"} if kind == "kw_protobuf" else set()
            for word in words:
                if word in ("LINK", "PRIVATE_LINK"):
                    taking = word == "LINK" or not public_only
                elif word == "SOURCES":
                    taking = False
                elif taking:
                    links.add(word)
            found[name] = links
        for inside in re.findall(r"\btarget_link_libraries\(([^)]*)\)", text):
            name, *words = inside.split()
            if not public_only or "PRIVATE" not in words:
                found.setdefault(name, set()).update(w for w in words if w not in ("PUBLIC", "PRIVATE", "INTERFACE"))
    return {name: {link.replace("kurzweg::", "") for link in links} - {"flags"} for name, links in found.items()}


def symbols(paths, *which):
    """Names that nm tells of an archive, a program or a library, or of several objects, by member: {member: {names}}."""
    paths = paths if isinstance(paths, list) else [paths]
    told = subprocess.run(["nm", *which, *map(str, paths)], capture_output=True, text=True, check=True).stdout
    found, member = {}, ""
    for line in told.splitlines():
        if line.endswith(".o:"):
            member = line[:-1]
        elif line.strip():
            found.setdefault(member, set()).add(line.split()[-1].partition("@")[0])
    return found


def all_of(by_member):
    return set().union(*by_member.values())


def objects_of_targets():
    """Every object of the products, as the build left them: {target: [paths]}."""
    found = {}
    for folder in BUILD.glob("**/CMakeFiles/*.dir"):
        target = folder.name[:-len(".dir")]
        target = target if target == "kw_generated" else target.removeprefix("kw_")
        home = SOURCE / folder.parents[1].relative_to(BUILD)
        objects = [o for o in sorted(folder.glob("**/*.o")) if "__" in o.parts or (home / o.relative_to(folder).with_suffix("")).exists()]  # no leftovers
        if objects and folder.relative_to(BUILD).parts[0] != "tests":
            found[target] = objects
    return found


def foreign_symbols():
    """What each foreign library offers: {its name in CMake: {names}}."""
    where = {}
    for program in PROGRAMS:
        told = subprocess.run(["ldd", str(BIN / program)], capture_output=True, text=True, check=True).stdout
        where |= dict(re.findall(r"(lib[\w.-]+?\.so)[\d.]* => (\S+)", told))
    found = {name: all_of(symbols(where[file], "-D", "--defined-only")) for name, file in SHARED.items()}
    return found


class Map(unittest.TestCase):
    """docs/architecture.md."""

    maxDiff = None

    def setUp(self):
        self.page = (SOURCE / "docs" / "architecture.md").read_text()

    def test_every_file_has_its_line_and_every_line_its_file(self):
        if subprocess.run(["git", "-c", "safe.directory=*", "rev-parse"], cwd=SOURCE, capture_output=True).returncode != 0:
            self.skipTest("not a clone: git does not know which files belong to the tree")
        done = subprocess.run([str(SOURCE / "docs" / "map"), "--check"], capture_output=True, text=True, env=environment())
        self.assertEqual(done.returncode, 0, f"run docs/map, and look at what it changed:\n{done.stderr}")

    def test_every_folder_of_the_map_is_explained(self):
        explained = set(re.findall(r"^\| `([^`]+)/` \|", self.page.partition("## Who may link")[0], re.M))
        mapped = {name.split("/")[0] for name in re.findall(r"^### `(.*)/`$", self.page, re.M)}
        self.assertEqual(explained, mapped)

    def links(self):
        """The table: {target: {what it may link}}."""
        table = self.page.partition("<!-- links:")[2].partition("<!-- end of links -->")[0]
        rows = re.findall(r"^\| `([\w-]+)` \| (.*?) ?\| .*\|$", table, re.M)
        return {name: {FOREIGN.get(word.strip("` "), word.strip("` ")) for word in links.split(",") if word.strip()} for name, links in rows}

    def closure(self, name, told):
        """All that name may use: what it links, and what that links. A circle fails."""
        reached, way = set(), []

        def visit(at):
            self.assertNotIn(at, way, "the table leads in a circle")
            way.append(at)
            for link in told.get(at, ()):
                reached.add(link)
                visit(link)
            way.pop()

        visit(name)
        return reached

    def test_no_object_uses_what_its_target_may_not_link(self):
        """
        By the symbols that each object leaves open: of this tree they may lie in what the table lets the target link, directly or by way of
        another; of foreign libraries only in those of the target's own row, or that what it links hands on. What a static library misses shows nowhere
        else: some program has it.
        """
        told, objects, foreign, handed_on = self.links(), objects_of_targets(), foreign_symbols(), made_by_cmake(public_only=True)
        self.assertEqual(objects.keys(), told.keys())
        defined = {name: all_of(symbols(paths, "--defined-only", "--extern-only")) for name, paths in objects.items()}
        wrong, uses = [], {name: set() for name in told}
        for name, paths in objects.items():
            may = self.closure(name, told)
            for path, wanted in symbols(paths, "--undefined-only").items():
                for symbol in wanted - defined[name]:
                    ours = {t for t in told if symbol in defined[t] and t not in PROGRAMS}
                    theirs = set() if ours else {f for f in foreign if symbol in foreign[f]} | ({"Threads::Threads"} if symbol.startswith("pthread_create") else set())
                    uses[name] |= theirs
                    if (ours and not ours & may and not (name in QUESTIONS and symbol.startswith("agreement_"))) or theirs - told[name] - self.closure(name, handed_on):
                        wrong.append(f"{name}: {path or paths[0]} uses {symbol} of {', '.join(ours | theirs)}")
        self.assertEqual(wrong, [])
        idle = [f"{name} links {f} and uses nothing of it" for name in told for f in sorted((told[name] & foreign.keys()) - uses[name])]
        self.assertEqual(idle, [])

    def test_who_links_whom_is_what_cmake_says(self):
        told = self.links()
        made = made_by_cmake()
        differs = [f"{name}: the table says {sorted(told.get(name, ['nothing']))}, CMake {sorted(made.get(name, ['nothing']))}"
                   for name in sorted(told.keys() | made.keys()) if told.get(name) != made.get(name)]
        self.assertEqual(differs, [])

    def test_pure_libraries_use_nothing_impure(self):
        base = symbols(BUILD / "base" / "libkw_base.a", "--defined-only")
        self.assertLessEqual(PURE_BASE, set(base))
        floor = set().union(*(base[member] for member in PURE_BASE))
        pure = set().union(*(names for name, folder in PURE.items() for names in symbols(BUILD / folder / f"libkw_{name}.a", "--defined-only").values()))
        for name, folder in PURE.items():
            wanted = set().union(*symbols(BUILD / folder / f"libkw_{name}.a", "--undefined-only").values())
            self.assertGreater(len(wanted), 3)
            asked = {s for s in wanted if s.startswith("agreement_")} if name in ("cases", "broker_core") else set()  # the agreement's questions
            strange = {s for s in wanted - floor - pure - PURE_LIBC - asked if not COMPILER.fullmatch(s)}
            self.assertEqual(strange, set(), f"lib{name} is to be pure")

    def test_the_broker_holds_no_code_that_opens_a_notification(self):
        names = set().union(*symbols(BIN / "kurzweg-broker", "--defined-only").values())
        self.assertIn("seal_verify", names)
        self.assertEqual({n for n in names if n.startswith(("seal_open", "seal_unstore", "seal_notification"))}, set())
        self.assertIn("seal_open_body", set().union(*symbols(BIN / "kurzweg-partner", "--defined-only").values()))


class Readme(kurzweg_test.TestCase):
    """README.md by itself is enough."""

    def run_example(self, **renamed):
        """Every block that is marked to be run, in order, in one shell, with other words for some of it."""
        blocks = re.findall(r"^<!-- run -->\n```sh\n(.*?)^```$", (SOURCE / "README.md").read_text(), re.M | re.S)
        self.assertGreater(len(blocks), 3)
        script = "set -eu\n" + "\n".join(blocks) + "wait\necho ended\n"
        self.assertEqual(script.count("$PWD/build/bin"), 1)
        script = script.replace("$PWD/build/bin", str(BIN)).replace("7511", str(free_ports()[0]))
        for word, other in renamed.items():
            self.assertIn(word, script)
            script = script.replace(word, other)
        shown = self.folder / "shown"
        with open(shown, "wb") as out:  # no pipe: what the shell leaves running would hold it open
            shell = subprocess.Popen(["bash", "-c", script], cwd=SOURCE, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment(HOME=self.folder),
                                     start_new_session=True)
        try:
            code = shell.wait(timeout=240)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)  # a group of its own: nothing else is in it
            shell.wait()
        shown = shown.read_text()
        logs = "\n".join(p.read_text() for p in self.folder.glob("*/*.log"))
        self.assertEqual(code, 0, shown + logs)
        for part in ("Signed by 2 of the 3 members", "Every reader's node has it and has confirmed it.", "Neckar flood: Uferstraße closed from 5:30, clear basements",
                     "since then"):
            self.assertIn(part, shown)
        self.assertTrue(shown.endswith("ended\n"))
        self.assertIn("clean=yes", logs)

    def test_the_first_partnership_works_as_it_stands(self):
        self.run_example()

    def test_it_works_with_other_names(self):
        self.run_example(lindau="konstanz", harbour="leuchtturm-1", station="wache-nord", townhall="rathaus", desk="pult", mayor="ob", chief="praesidentin", judge="richter")


class Samples(kurzweg_test.TestCase):
    """deploy/*.sample: what they say is what the parsers take, no more and no less."""

    SAMPLES = {"kurzweg-broker": "broker.yaml.sample", "kurzweg-partner": "partner.yaml.sample"}
    INSIDE = {"kurzweg-broker": {"store": "{path: /x, strange: 1}"},
              "kurzweg-partner": {"handlers": "[{strange: 1}]", "keep": "{strange: 1}", "limits": "{strange: 1}"}}

    def setUp(self):
        super().setUp()
        p = kurzweg_test.Partnership(self)
        self.fingerprint = p.fingerprint_of(p.agreement())
        p.key("haus").rename(self.folder / "broker.key")
        p.key("police/control-room").rename(self.folder / "node.key")

    def check(self, program, text):
        """--check-config of text, whose folders are this test's own, and whose port nobody has: a broker may run on this machine."""
        text = text.replace("tcp://*:7411", f"tcp://*:{free_ports()[0]}")
        text = re.sub(r"/(?:etc|run|var/lib|var/spool)/kurzweg", str(self.folder), text.replace("/usr/lib/kurzweg/handlers", str(SOURCE / "deploy" / "handlers")))
        path = self.write("config.yaml", re.sub(r'(?m)^fingerprint: ".*"', f'fingerprint: "{self.fingerprint}"', text))
        return subprocess.run([str(BIN / program), "--config", str(path), "--check-config"], capture_output=True, text=True, env=environment(), timeout=60)

    def known(self, program, text):
        """The keys that the parser names when it meets one that it does not know."""
        done = self.check(program, text)
        self.assertNotEqual(done.returncode, 0)
        found = re.search(r'unknown key "strange" in .* known here: ([\w, ]+)', done.stderr)
        self.assertTrue(found, done.stderr)
        return found.group(1).strip().split(", ")

    def keys(self, program, sample):
        """{"": keys at the top, "store": keys in it …}"""
        text = re.sub(r"^#.*\n", "", sample, flags=re.M)
        found = {"": self.known(program, text + "\nstrange: 1\n")}
        for key, inside in self.INSIDE[program].items():
            found[key] = self.known(program, re.sub(rf"^{key}:.*\n(?:[ \n].*\n|\n)*", "", text, flags=re.M) + f"\n{key}: {inside}\n")
        return found

    @staticmethod
    def in_force(sample, keys):
        """The sample with every example in it that is commented out put in force."""
        top = "|".join(keys[""])
        nested = "|".join(key for inside in keys if inside for key in keys[inside])
        text = re.sub(rf"^# ((?:{top}):.*\n)(?:#(   - .*\n))?", r"\1\2", sample, flags=re.M)
        return re.sub(rf"^  # ((?:{nested}): [^.]*)$", r"  \1", text, flags=re.M)

    def test_every_key_of_the_parsers_is_in_them_and_explained(self):
        for program, name in self.SAMPLES.items():
            sample = (SOURCE / "deploy" / name).read_text()
            keys = self.keys(program, sample)
            text = self.in_force(sample, keys)
            for key in keys[""]:
                with self.subTest(program=program, key=key):
                    block = re.search(rf"((?:^#.*\n)+)^{key}:|^{key}:\n", text, re.M)
                    self.assertTrue(block, f"{name} lacks {key}, or says nothing of it")
            for inside in filter(None, keys):
                for key in keys[inside]:
                    with self.subTest(program=program, key=f"{inside}.{key}"):
                        part = re.search(rf"(?:^#.*\n)*^{inside}:.*\n(?:(?: .*)?\n)*", text, re.M).group()
                        self.assertRegex(part, rf"(?m)^#.*\b{key}:? |^  #.*\n  {key}:")

    def test_they_are_accepted_as_they_are_and_with_every_example_in_force(self):
        for program, name in self.SAMPLES.items():
            with self.subTest(program=program):
                sample = (SOURCE / "deploy" / name).read_text()
                done = self.check(program, sample)
                self.assertEqual(done.returncode, 0, done.stderr)
                keys = self.keys(program, sample)
                text = self.in_force(sample, keys)
                given = {key for key in keys[""] if re.search(rf"^{key}:", text, re.M)}
                self.assertEqual(given, set(keys[""]))
                done = self.check(program, text)
                self.assertEqual(done.returncode, 0, text + done.stderr)


LOGS = {"log_event": 2, "log_sys": 2, "log_peer": 3, "log_stranger": 3}  # which argument has the fields; counted from 0
EVENTS = {  # folder of the source, heading in docs/events.md; the longest that fits
    "base": "Both daemons", "config": "Both daemons", "audit": "Both daemons", "broker": "Broker", "clients": "Node", "clients/exporter": "Exporter",
}


def arguments(text, at):
    """Those of the call whose '(' stands at text[at], as they are written."""
    found, depth, word, i = [], 0, "", at
    while True:
        if text[i] == '"':
            end = i + 1
            while text[end] != '"':
                end += 2 if text[end] == "\\" else 1
            word, i = word + text[i:end + 1], end + 1
            continue
        depth += (text[i] in "([{") - (text[i] in ")]}")
        if depth == 0 or (depth == 1 and text[i] == ","):
            found.append(word[1:].strip() if not found else word.strip())
            if depth == 0:
                return found
            word = ""
        else:
            word += text[i]
        i += 1


class Events(unittest.TestCase):
    """docs/events.md against every call that writes a line of the log."""

    def calls(self):
        """[(file, code, levels, fields in their order, format)]; what is no literal fails."""
        found = []
        for folder in ("audit", "base", "broker", "cases", "certs", "clients", "config", "proto"):
            for path in sorted((SOURCE / folder).glob("**/*.c")):
                text = path.read_text()
                for m in re.finditer(r"\b(log_event|log_sys|log_peer|log_stranger)\(", text):
                    if text[text.rfind("\n", 0, m.start()) + 1:m.start()].strip() == "":  # its definition begins a line; a call never does so in column 0
                        if text[m.start() - 1] == "\n":
                            continue
                    args = arguments(text, m.end() - 1)
                    where = f"{path.relative_to(SOURCE)}: {m.group()}{', '.join(args)})"
                    self.assertRegex(args[1], r'^"[a-z]+\.[a-z_]+"$', f"the code is to be a literal: {where}")
                    fmt = args[LOGS[m.group(1)]]
                    self.assertRegex(fmt, r'^"(?:[^"\\]|\\.)*"$', f"the fields are to be one literal: {where}")
                    fmt = fmt[1:-1].replace('\\"', '"')
                    self.assertEqual(re.findall(r"%(?!(?:l{0,2}|z)[ux]|l{0,2}[di]|[sc])", fmt), [], f"a conversion that base/log.h does not name: {where}")
                    levels = {"error"} if m.group(1) == "log_sys" else {level.lower() for level in re.findall(r"\bLOG_([A-Z]+)\b", args[0])}
                    self.assertTrue(levels, f"the level is to be a literal: {where}")
                    fields = re.findall(r"(\w+)=", re.sub(r'"[^"]*"', "", fmt))
                    if m.group(1) in ("log_peer", "log_stranger") and args[2] != "NULL":
                        fields.insert(0, "peer")
                    found.append((path.relative_to(SOURCE), args[1].strip('"'), levels, fields + (["errno"] if m.group(1) == "log_sys" else []), fmt))
                if path.parent.name == "base":
                    found += [(path.relative_to(SOURCE), code, {level.lower()}, None, "")
                              for level, code in re.findall(r'\bLOG_([A-Z]+), (?:clock_wall_ms\(\), )?"([a-z]+\.[a-z_]+)"', text)]
        self.assertGreater(len(found), 80)
        return found

    def rows(self):
        """{code: (heading, level, fields, meaning, what to do)}."""
        page, found, heading = (SOURCE / "docs" / "events.md").read_text(), {}, ""
        for line in page.splitlines():
            heading = line[3:].strip() if line.startswith("## ") else heading
            cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
            if heading in EVENTS.values() and re.match(r"\| `[a-z]+\.[a-z_]+` \|", line):
                self.assertEqual(len(cells), 5, line)
                self.assertNotIn(cells[0].strip("`"), found, "told twice")
                found[cells[0].strip("`")] = (heading, set(cells[1].split(", ")), re.findall(r"`(\w+)`", cells[2]), cells[3], cells[4])
        return found

    def test_every_code_has_its_line_and_every_line_its_code(self):
        told, made = self.rows(), {}
        for path, code, levels, fields, _ in self.calls():
            where, at_levels, at_fields = made.setdefault(code, (set(), set(), set()))
            where.add(EVENTS[max((folder for folder in EVENTS if path.is_relative_to(folder)), key=len)])
            at_levels |= levels
            at_fields.update(fields or [])
        self.assertEqual(sorted(made.keys() - told.keys()), [], "codes without a line in docs/events.md")
        self.assertEqual(sorted(told.keys() - made.keys()), [], "lines of docs/events.md without a code")
        for code, (where, levels, fields) in made.items():
            with self.subTest(code=code):
                self.assertEqual({"Both daemons"} if where == {"Broker", "Node"} else where, {told[code][0]})
                self.assertEqual(levels, told[code][1])
                if where != {"Both daemons"}:
                    self.assertEqual(fields, set(told[code][2]))
                self.assertTrue(told[code][3] and told[code][4], "says what it means, and what to do")

    def test_whom_a_line_is_about_comes_first(self):
        """kurzweg log --peer looks at the first field alone, since what a peer wrote may stand in any other."""
        for path, code, _, fields, _ in self.calls():
            if fields is not None:
                self.assertFalse({"peer", "by"} & set(fields[1:]), f"{path}: {code}")

    def test_what_has_blanks_stands_in_quotes(self):
        for path, code, _, _, fmt in self.calls():
            for name, quoted in re.findall(r'(\w+)=("?)%s', fmt):
                self.assertEqual(quoted == '"', name in {"why", "what", "said", "text", "path", "fingerprint", "file", "name", "step", "in_force", "before", "now"}, f"{path}: {code}: {name}")


class Pages(unittest.TestCase):
    """All pages."""

    def setUp(self):
        self.pages = pages()

    def test_all_links_lead_somewhere(self):
        seen = 0
        for name, text in self.pages.items():
            for target in re.findall(r"\]\(([^)\s]+)\)", without_code(text)):
                if re.match(r"[a-z]+:", target):
                    continue
                seen += 1
                path, _, anchor = target.partition("#")
                page = (SOURCE / name).parent / path if path else SOURCE / name
                self.assertTrue(page.exists(), f"{name} links to {target}, which is not there")
                if anchor:
                    self.assertIn(anchor, anchors(page.read_text()), f"{name} links to {target}")
        self.assertGreater(seen, 5)

    def test_all_files_that_are_named_exist(self):
        tops = "|".join(p.name for p in SOURCE.iterdir() if p.is_dir() and p.name not in ("build", ".git"))
        seen = 0
        for name, text in self.pages.items():
            for path in re.findall(rf"`(?:\./)?((?:{re.escape(tops).replace(re.escape('|'), '|')})/[\w./*-]*)(?: [^`]*)?`", text):
                seen += 1
                self.assertTrue(list(SOURCE.glob(path.rstrip("/"))), f"{name} names {path}, which is not there")
        self.assertGreater(seen, 20)

    def test_all_tests_that_are_named_exist(self):
        code = "\n".join(p.read_text() for p in (SOURCE / "tests").glob("**/test_*") if p.suffix in (".c", ".py"))
        table = (SOURCE / "docs" / "security.md").read_text().partition("| why that fails | test |")[2].partition("\n\n")[0]
        named = [test for row in table.splitlines()[2:] for test in re.findall(r"`(\w+)`", row.split("|")[-2])]
        self.assertGreater(len(named), 12)
        there = set(re.findall(r"^(?:    def )?(\w+)\(", code, re.M))
        self.assertEqual([test for test in named if test not in there], [])

    def test_all_sentences_of_the_protocol_are_cited_by_a_test(self):
        """By [X-n] in a comment, or by a test's name that begins with xn_; or the sentence itself begins with "*Not yet.*"."""
        sentences = re.findall(r"^- \*\*\[([A-Z])-(\d+)\]\*\*( \*Not yet\.\*)?", self.pages["docs/protocol.md"], re.M)
        self.assertGreater(len(sentences), 70)
        code = "\n".join(p.read_text() for p in (SOURCE / "tests").glob("**/*") if p.suffix in (".c", ".py", ".h") and p.name != "test_documents.py")
        differs = []
        for letter, number, not_yet in sentences:
            cited = f"[{letter}-{number}]" in code or re.search(rf"\b(?:test_)?{letter.lower()}{number}_[a-z]", code)
            if bool(cited) == bool(not_yet):
                differs.append(f"[{letter}-{number}] is said to be not yet kept, and a test cites it" if cited else f"[{letter}-{number}] is cited by no test")
        self.assertEqual(differs, [])

    def test_all_sentences_that_are_cited_exist(self):
        there = set(re.findall(r"^- \*\*(\[[A-Z]-\d+\])\*\*", self.pages["docs/protocol.md"], re.M))
        where = [p for folder in ("base", "broker", "cases", "certs", "clients", "config", "proto", "tests") for p in (SOURCE / folder).glob("**/*")]
        for path in where + [SOURCE / name for name in self.pages]:
            if path.suffix in (".c", ".h", ".py", ".md", ".proto"):
                for tag in re.findall(r"(?<![\w\]])\[[CPSLDAKYNMOBR]-\d+\]", path.read_text()):
                    self.assertIn(tag, there, path)

    def test_all_commands_and_options_that_are_named_are_known(self):
        """In the pages' code and in the samples' comments, against --help."""
        helps, seen = {}, 0

        def help_of(words):
            if words not in helps:
                done = subprocess.run([str(BIN / words[0]), *words[1:], "--help"], capture_output=True, text=True, env=environment(), timeout=60)
                helps[words] = done.stdout if done.returncode == 0 else None
            return helps[words]

        texts = {name: "\n".join(re.findall(r"^```[^\n]*\n(.*?)^```", text, re.M | re.S) + re.findall(r"`([^`\n]+)`", without_code(text)))
                 for name, text in self.pages.items()}
        texts |= {str(p.relative_to(SOURCE)): "\n".join(re.findall(r"^#\s?(.*)$", p.read_text(), re.M)) for p in (SOURCE / "deploy").glob("*.sample")}
        for name, text in texts.items():
            for line in text.replace("\\\n", " ").splitlines():
                for call in re.findall(r"(?<![\w/.-])(kurzweg(?:-broker|-partner)?(?: [^|;&#`]+))", line):
                    words = re.findall(r"[\w./:=<>$*-]+", call)
                    command = tuple(self.command_of(words, help_of))
                    if not re.match(r"kurzweg(-broker|-partner)?$", words[0]) or len(words) == 1:
                        continue
                    for option in (w.split("=")[0] for w in words if re.match(r"--[a-z]", w)):
                        seen += 1
                        self.assertRegex(help_of(command) or "", rf"(?m)(^|[\s,\"]){option}\b", f"{name}: {line.strip()}")
        self.assertGreater(seen, 4)

    @staticmethod
    def command_of(words, help_of):
        """The longest beginning of words that has a help of its own."""
        command = [words[0]]
        if words[0] != "kurzweg":
            return command
        for word in words[1:3]:
            if not re.fullmatch(r"[a-z-]+", word) or word.startswith("-") or help_of((*command, word)) is None:
                break
            command.append(word)
        return command


if __name__ == "__main__":
    kurzweg_test.main()
