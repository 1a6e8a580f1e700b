"""The manual says what is: every command, option, key, variable and function has its place in a page, and every page's examples work; --help fits a terminal."""

import datetime
import gzip
import os
import pathlib
import re
import subprocess
import unittest

import kurzweg_test
from kurzweg_test import BIN, SOURCE, Partnership, environment, free_ports, wait_until
from test_library import sanitizers

BUILD = pathlib.Path(os.environ.get("KW_BUILD_DIR", BIN.parent))
MAN = BUILD / "share" / "man"
DAEMONS = ("kurzweg-broker", "kurzweg-exporter", "kurzweg-partner")
FOREIGN = {"journalctl(1)", "jq(1)", "free(3)"}  # other packages' pages
COMMON = {"-h, --help"}  # of every command: told once, in kurzweg(1)
POLICE, ORDER, PREVENTION, YOUTH = "police/control-room", "city/public-order", "city/crime-prevention", "youth-house/office"


# ---- what the programs say ----

def help_of(program, *words, **env):
    return subprocess.run([str(BIN / program), *words, "--help"], capture_output=True, text=True, env=environment(**env), timeout=60, check=True).stdout


def commands():
    """["publish", …, "case list", …] in the order of --help."""
    return re.findall(r"^  ([a-z-]+(?: [a-z-]+)?)(?:  |$)", help_of("kurzweg"), re.M)


def options_of(text):
    """{"-k, --key FILE", "--json", …}"""
    rows = re.findall(r"^  (?:   )?( ?-\S, |    |)(--[a-z][a-z-]*)((?:[ =]\S+)?)(?:  |$)", text, re.M)
    return {letter.lstrip() + name + value.replace("=", " ") for letter, name, value in rows}


# ---- what the pages say ----

def source(name):
    """The page's text, as "kurzweg-take.1"."""
    return (SOURCE / "docs" / "man" / f"{name}.scd").read_text()


def sources():
    return sorted(path.name.removesuffix(".scd") for path in (SOURCE / "docs" / "man").glob("*.scd"))


def built():
    """Every page that is made, and the one that it leads to: {"kurzweg-decline.1": "kurzweg-take.1", …}."""
    found = {}
    for path in sorted(MAN.glob("man*/*.gz")):
        text = gzip.decompress(path.read_bytes()).decode()
        leads = re.fullmatch(r"\.so man\d/(\S+)\n", text)
        found[path.name.removesuffix(".gz")] = leads.group(1) if leads else path.name.removesuffix(".gz")
    return found


def section(text, name):
    found = re.search(rf"^# {re.escape(name)}\n(.*?)(?=^# |\Z)", text, re.M | re.S)
    return found.group(1) if found else ""


def plain(marked):
    return re.sub(r"(?<![\w\\])[*_]|(?<!\\)[*_](?!\w)", "", marked).replace("\\", "")


def options_in(text):
    """The entries of a page's options: the same form as options_of."""
    return {plain(line) for line in re.findall(r"^(\*-.*)$", section(text, "OPTIONS"), re.M)}


def synopses(text):
    """[("kurzweg take", "_ID_ [*--as* _NAME_] …"), …]"""
    lines = re.split(r"\+\+\n|\n\n+", section(text, "SYNOPSIS").strip())
    return [(found.group(1), line[found.end():].replace("\n", " ")) for line in lines if (found := re.match(r"\*(kurzweg[a-z -]*)\*", line))]


def named_in(usage):
    """The options of a synopsis, without letters: {"--key FILE", "--json"}."""
    return {plain(name + value) for name, value in re.findall(r"\*(--[a-z-]+)\*((?: _[^_]+_)?)", usage)}


def differences(name, text, helps):
    """What is wrong with a page by what its commands say of themselves; helps: {"kurzweg take": its --help}."""
    wrong, common = [], set() if len(helps) == 1 and not next(iter(helps)).startswith("kurzweg ") else COMMON
    theirs = {command: options_of(text_of) - common for command, text_of in helps.items()}
    all_of_them, ours = set().union(*theirs.values()), options_in(text)
    wrong += [f"{name} lacks the option {o}" for o in sorted(all_of_them - ours)]
    wrong += [f"{name} tells of {o}, which --help does not" for o in sorted(ours - all_of_them)]
    told = synopses(text)
    for command, options in theirs.items():
        long_ones = {re.sub(r"^-\S, ", "", o) for o in options}
        usages = [usage for whose, usage in told if whose == command]
        if not usages:
            wrong.append(f"{name} has no synopsis of {command}")
        named = set().union(*(named_in(usage) for usage in usages)) if usages else set()
        wrong += [f"{name}: the synopsis of {command} has {o}, which --help has not" for o in sorted(named - long_ones)]
        if usages and not any("[_OPTIONS_]" in usage for usage in usages):
            wrong += [f"{name}: no synopsis of {command} has {o}" for o in sorted(long_ones - named - {"--help", "--usage", "--version"})]
        elif len(helps) > 1:
            wrong.append(f"{name} is of several commands, so each synopsis names its options")
        words = re.search(r"^Usage: \S+(?: [a-z-]+){0,2}((?: [^\n]*)?)$", helps[command], re.M).group(1) if command.startswith("kurzweg ") else ""
        for word in re.findall(r"[A-Z][A-Z-]+|…", words.replace("[OPTIONS]", "")):
            if usages and not any(word in usage for usage in usages):
                wrong.append(f"{name}: no synopsis of {command} has the word {word}")
    wrong += [f"{name} has a synopsis of {command}, which is no command of it" for command, _ in told if command not in helps]
    return wrong


def pages_of_commands():
    """{"kurzweg-take.1": ["take", "decline", …], …}: by the names that man(1) finds."""
    leads, found = built(), {}
    for command in commands():
        name = f"kurzweg-{command.replace(' ', '-')}.1"
        found.setdefault(leads.get(name, f"{name} is not made"), []).append(command)
    return found


class Commands(unittest.TestCase):
    """Pages against --help, both ways."""

    maxDiff = None

    def test_every_command_has_its_page_and_every_page_its_command(self):
        pages, families = pages_of_commands(), {f"kurzweg-{command.split()[0]}.1" for command in commands() if " " in command}
        self.assertEqual([name for name in pages if name.endswith("made")], [], "write docs/man/NAME.scd, and name it in docs/man/CMakeLists.txt")
        reached = {f"kurzweg-{command.replace(' ', '-')}.1" for command in commands()}
        others = {name for name in built() if name.endswith(".1")} - reached - families - {"kurzweg.1"}
        self.assertEqual(others, set(), "pages of commands that are none")

    def test_every_option_stands_in_its_page_and_in_its_synopsis_and_no_other(self):
        for name, there in pages_of_commands().items():
            with self.subTest(page=name):
                self.assertEqual(differences(name, source(name), {f"kurzweg {c}": help_of("kurzweg", *c.split()) for c in there}), [])

    def test_the_same_of_the_daemons(self):
        for program in DAEMONS:
            with self.subTest(program=program):
                self.assertEqual(differences(f"{program}.8", source(f"{program}.8"), {program: help_of(program)}), [])

    def test_the_page_of_the_tool_lists_every_command_once(self):
        listed = re.findall(r"\*([a-z][a-z -]*)\*", "\n".join(re.findall(r"^\|. (.*)$", section(source("kurzweg.1"), "COMMANDS"), re.M)))
        self.assertEqual(sorted(listed), sorted(commands()))

    def test_a_page_that_is_not_true_is_found(self):
        """The control: what the tests above would say to pages that lie."""
        name, text = "kurzweg-take.1", source("kurzweg-take.1")
        helps = {f"kurzweg {c}": help_of("kurzweg", c) for c in ("take", "decline", "hand-over", "forward", "return", "done", "reopen", "note")}
        self.assertEqual(differences(name, text, helps), [])
        for before, after, says in (
            ("*--no-wait*\n", "*--nowait*\n", "lacks the option --no-wait"), ("*--no-wait*\n", "*--nowait*\n", "tells of --nowait"),
            ("*--to* _NODE_\n", "*--to* _WHOM_\n", "lacks the option --to NODE"), ("*--as* _NAME_\n", "*-a*, *--as* _NAME_\n", "tells of -a, --as NAME"),
            ("[*--no-wait*] ", "", "no synopsis of kurzweg take has --no-wait"), ("*kurzweg take* _ID_", "*kurzweg take*", "of kurzweg take has the word ID"),
            ("*kurzweg done* _ID_", "*kurzweg finish* _ID_", "no synopsis of kurzweg done"), ("*kurzweg done* _ID_", "*kurzweg finish* _ID_", "no command of it"),
            ("*--outcome* _TEXT_ ", "*--outcome* _TEXT_ *--force* ", "--force, which --help has not"),
        ):
            with self.subTest(after=after):
                self.assertIn(before, text)
                found = differences(name, text.replace(before, after, 1), helps)
                self.assertTrue(any(says in one for one in found), found)

    def test_every_page_says_how_it_ends_gives_an_example_and_leads_on(self):
        for name in sources():
            text = source(name)
            with self.subTest(page=name):
                self.assertTrue(section(text, "SEE ALSO"), "leads nowhere")
                if name[-1] in "18" and name != "kurzweg-agreement.1":
                    self.assertIn("*0*", section(text, "EXIT STATUS"))
                if name[-1] in "1378":
                    self.assertTrue(section(text, "EXAMPLES"), "has no example")


class Pages(unittest.TestCase):
    """All pages, as they are made."""

    def test_the_names_of_a_page_are_those_that_it_is_found_by(self):
        names = {}
        for name, leads in built().items():
            names.setdefault(leads, set()).add(name.rpartition(".")[0])
        self.assertEqual(set(names), set(sources()))
        for page, found_by in names.items():
            text = source(page)
            with self.subTest(page=page):
                said = section(text, "NAME").strip().partition(" - ")
                self.assertTrue(said[2] and "\n" not in said[2] and not said[2].endswith("."), text)
                self.assertEqual(text.partition(" ")[0], f"{page.rpartition('.')[0]}({page[-1]})")
                self.assertEqual(set(said[0].split(", ")) if page != "libkurzweg.3" else {"libkurzweg"}, found_by if page != "libkurzweg.3" else {"libkurzweg"})

    def test_references_lead_somewhere(self):
        there = {f"{name.rpartition('.')[0]}({name[-1]})" for name in built()} | FOREIGN
        for page in sources():
            named = {name + number for name, number in re.findall(r"\*([\w.-]+)\*(\(\d\))", source(page))}
            self.assertEqual(sorted(named - there), [], page)
            self.assertNotIn(f"{page.rpartition('.')[0]}({page[-1]})", re.findall(r"\*([\w.-]+)\*(\(\d\))", section(source(page), "SEE ALSO")))

    def test_they_are_set_without_a_warning_and_no_line_is_too_long(self):
        for page in sources():
            with self.subTest(page=page):
                done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", MAN / f"man{page[-1]}" / f"{page}.gz"], capture_output=True, text=True, timeout=60,
                                      env=environment(MANWIDTH=80, MANROFFSEQ="", MANPAGER="cat"))
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertGreater(len(done.stdout), 500)
                examples = section(source(page), "EXAMPLES") + section(source(page), "SYNOPSIS")
                for line in done.stdout.splitlines():
                    self.assertTrue(len(re.sub(r".\b", "", line)) <= 80 or line.strip() in examples, line)

    def test_man_finds_them_by_every_name_and_in_the_folder_beside_the_programs(self):
        for name in ("kurzweg-take", "kurzweg-decline", "kurzweg_publish", "kurzweg-broker.yaml"):
            done = subprocess.run(["man", "-M", MAN, name], capture_output=True, text=True, env=environment(MANWIDTH=80, MANPAGER="cat"), timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(name, done.stdout)

    def test_a_page_is_the_same_bytes_whenever_it_is_made(self):
        date = re.search(r"KW_MAN_DATE (\d+)", (SOURCE / "docs" / "man" / "CMakeLists.txt").read_text()).group(1)
        for page in ("kurzweg-take.1", "libkurzweg.3"):
            data = (MAN / f"man{page[-1]}" / f"{page}.gz").read_bytes()
            self.assertEqual(data[4:8], bytes(4), "no time in it")
            self.assertIn(f'"{page[:-2]}" "{page[-1]}" "{datetime.datetime.fromtimestamp(int(date), datetime.timezone.utc):%Y-%m-%d}"',
                          gzip.decompress(data).decode())


class Library(unittest.TestCase):
    """libkurzweg(3) against the header."""

    def test_it_has_every_function_as_the_header_declares_it(self):
        header = re.sub(r"/\*.*?\*/", "", (SOURCE / "clients" / "include" / "kurzweg" / "kurzweg.h").read_text(), flags=re.S)
        declared = {" ".join(d.replace("KURZWEG_MUST_USE", "").split()) for d in re.findall(r"KURZWEG_API\s+(?!__)([^;{]*\))\s*;", header)}
        told = {" ".join(d.split()) for d in re.findall(r"^((?:enum|void|const char)[^;]*\));", section(source("libkurzweg.3"), "SYNOPSIS"), re.M)}
        self.assertEqual(told, declared)
        names = {re.search(r"(\w+)\(", d).group(1) for d in declared}
        self.assertEqual(names, set((SOURCE / "clients" / "lib" / "symbols").read_text().split()))
        self.assertEqual(set(re.findall(r"\*(kurzweg_\w+)\*\(\)", section(source("libkurzweg.3"), "DESCRIPTION"))), names, "each is explained")

    def test_it_has_every_result(self):
        header = (SOURCE / "clients" / "include" / "kurzweg" / "kurzweg.h").read_text()
        declared = re.findall(r"^\t(KURZWEG_[A-Z]+) = (\d),", re.search(r"enum kurzweg_result \{(.*?)\n\}", header, re.S).group(1), re.M)
        told = re.findall(r"\*(KURZWEG_[A-Z]+)\*\n:. (\d):", section(source("libkurzweg.3"), "RETURN VALUE"))
        self.assertEqual(told, declared)

    def test_its_example_compiles(self):
        code = re.findall(r"^```\n(.*?)^```", section(source("libkurzweg.3"), "EXAMPLES"), re.M | re.S)
        self.assertEqual(len(code), 1)
        done = subprocess.run(["cc", "-std=c17", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", "-I", SOURCE / "clients" / "include", "-x", "c", "-"], input=code[0],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)


def entries(text):
    """The keys that a page explains: {"": {"store", …}, "store": {"path", …}}; also those that stand in braces or bold within an entry."""
    found, way = {"": set()}, []
    for line in section(text, "KEYS").splitlines():
        head = re.match(r"^(\t*)((?:\*[a-z_]+\*(?:, )?)+)$", line)
        if not head:
            if way:  # "{keep_years: 1}", "*content*: how long"
                found.setdefault(way[-1], set()).update(re.findall(r"\{(\w+):", line) + re.findall(r", (\w+): \[", line))
                found[way[-1] + "*"] = found.get(way[-1] + "*", set()) | set(re.findall(r"\*([a-z_]+)\*", line))
            continue
        names = re.findall(r"\*([a-z_]+)\*", head.group(2))
        way = way[:len(head.group(1))]
        found.setdefault(way[-1] if way else "", set()).update(names)
        way.append(names[-1])
    return found


class Keys(kurzweg_test.TestCase):
    """Pages of configuration and agreement against the keys that the parsers know."""

    PARSERS = {"kurzweg-broker": ("store", "audit"), "kurzweg-partner": ("handlers", "keep", "limits", "audit")}

    def known_inside(self, program, config, where):
        text = {"": "strange: 1\n", "handlers": "handlers: [{strange: 1}]\n", "store": "store: {path: /x, strange: 1}\n"}.get(where, f"{where}: {{strange: 1}}\n")
        lines = [line for line in config.splitlines(True) if not line.startswith(f"{where}:")]
        path = self.write("strange.yaml", "".join(lines) + text)
        done = subprocess.run([str(BIN / program), "--config", str(path), "--check-config"], capture_output=True, text=True, env=environment(), timeout=60)
        found = re.search(r'unknown key "strange" in .* known here: ([\w, ]+)', done.stderr)
        self.assertTrue(found, done.stderr)
        return set(found.group(1).strip().split(", "))

    def test_every_key_of_the_daemons_is_explained_and_no_other(self):
        configs = {"kurzweg-broker": "agreement: /x\nkey: /x\nlisten: [\"tcp://*:1\"]\nstore: {path: /x}\n",
                   "kurzweg-partner": "agreement: /x\nkey: /x\nsocket: ipc:///x\nstate: /x\n"}
        for program, nested in self.PARSERS.items():
            told = entries(source(f"{program}.yaml.5"))
            for where in ("", *nested):
                with self.subTest(program=program, where=where):
                    self.assertEqual(told.get(where, set()), self.known_inside(program, configs[program], where))

    def test_every_key_of_the_agreement_is_explained_and_no_other(self):
        """By what the parser's own source says it knows: each list stands behind the place that its refusals name."""
        p = Partnership(self)
        text = (SOURCE / "deploy" / "agreement.yaml.sample").read_text()
        text = re.sub(r"(kwsteer1|kwbroker1|kwnode1):the line of ([\w/-]+)", lambda m: p.lines.get(m.group(2)) or p.new_key(m.group(2)) and p.lines[m.group(2)], text)
        told, page = entries(source("kurzweg-agreement.yaml.5")), source("kurzweg-agreement.yaml.5")
        places = {"": ("", "strange: 1\n"), "valid": ("valid: {", "strange: 1, "), "steering": ("steering:\n", "  strange: 1\n"), "broker": ("broker: {", "strange: 1, "),
                  "partners": ("  - id: police\n", "    strange: 1\n"), "topics": ('  - filter: "alert/#"\n', "    strange: 1\n"), "responsible": ("      - {", "strange: 1, ")}
        for where, (before, strange) in places.items():
            at = text.index(before) + len(before) if before else len(text)
            known = self.known_in(text[:at] + strange + text[at:])
            with self.subTest(where=where):
                self.assertEqual(told[where], known)
        for where, before in {"operators": "operators: [{", "keep": "keep: {", "acknowledge": "acknowledge: {", "release": "release: {", "area": "area: {", "nodes": "nodes: [{",
                              "members": "    - {"}.items():
            at = text.index(before, text.index("\nsteering:") if where == "members" else 0) + len(before)
            known = self.known_in(text[:at] + "strange: 1, " + text[at:])
            with self.subTest(where=where):
                self.assertEqual(told[f"{where}*"] & known, known, f"{where} does not name all of {known}")
        self.assertIn("*previous*", page)

    def known_in(self, text):
        done = self.kurzweg("agreement", "check", self.write("strange.yaml", text), code=kurzweg_test.FAILED)
        found = re.search(r'unknown key "strange" in .* known here: ([\w, ]+)', done.stderr)
        self.assertTrue(found, done.stderr)
        return set(found.group(1).strip().split(", "))

    def test_a_page_with_a_missing_or_an_invented_key_is_found(self):
        text = source("kurzweg-broker.yaml.5")
        self.assertIn("quota", entries(text)["store"])
        self.assertNotIn("quota", entries(text.replace("*quota*\n", "Quota\n"))["store"])
        self.assertIn("speed", entries(text.replace("*log*\n", "*speed*\n"))[""])

    def test_every_variable_of_a_handler_is_told_and_no_other(self):
        made = set(re.findall(r'"(KURZWEG_[A-Z_]+)"', (SOURCE / "clients" / "partner" / "handler_input.c").read_text()))
        self.assertEqual(set(re.findall(r"\*(KURZWEG_[A-Z_]+)\*", section(source("kurzweg-handlers.7"), "ENVIRONMENT"))), made)

    def test_every_key_of_a_line_of_headers_is_told(self):
        row = re.search(r"^headers_row\(.*?^\}", (SOURCE / "broker" / "net" / "headers.c").read_text(), re.M | re.S).group()
        made = set(re.findall(r'"([a-z_]+)"', row))
        told = set(re.findall(r"\*([a-z_]+)\*", "\n".join(re.findall(r"^(\*.*)$", source("kurzweg-headers.5"), re.M))))
        self.assertGreater(len(made), 12)
        self.assertEqual(told, made)


class Examples(kurzweg_test.TestCase):
    """What stands under EXAMPLES works, in one partnership with a broker and four nodes."""

    TOPICS = """\
  - {filter: "alert/#", schema: alert, purpose: danger-prevention, publish: [police, city], receive: [police, city, civil], lane: flash}
  - filter: "request/noise/#"
    schema: request
    publish: ["*"]
    receive: [police, city]
    responsible: [{who: city/public-order, take_within: 10m}, {who: police/control-room, take_within: 5m}]
  - {filter: "statement/#", schema: statement, publish: [police, city], receive: ["*"], release: {approve: [police, city]}}
  - {filter: "note/#", schema: note, publish: ["*"], receive: ["*"]}
"""
    AT = {"kurzweg-case.1": ORDER, "kurzweg-take.1": ORDER}  # police/control-room, where nothing is said
    LAST = ("kurzweg-agreement-install.1", "kurzweg-broker-stop.1")  # after which nothing is as it was
    NOT_RUN = {"libkurzweg.3", "kurzweg-handlers.7", "kurzweg-agreement.yaml.5", "kurzweg-broker.yaml.5", "kurzweg-partner.yaml.5"}  # have tests of their own

    def blocks(self, page):
        return re.findall(r"^```\n(.*?)^```$", section(source(page), "EXAMPLES"), re.M | re.S)

    def partnership(self, nodes=(POLICE, ORDER, PREVENTION, YOUTH)):
        self.p = p = Partnership(self, endpoint=f"tcp://127.0.0.1:{free_ports()[0]}", topics=self.TOPICS)
        p.agreement()
        self.broker = p.broker()
        for node in nodes:
            p.node(node)
        return p

    def here(self, text, page, **names):
        """text with this test's folders and names in the place of the packages'."""
        for there, ours in {"/etc/kurzweg/agreement.yaml": self.folder / "agreement.yaml", "/etc/kurzweg/broker.yaml": self.folder / "broker.yaml",
                            "/etc/kurzweg/partner.yaml": self.folder / "police-control-room.yaml", "/run/kurzweg/broker.sock": self.folder / "broker.sock",
                            "3f9a01bc": names.get("case", "3f9a01bc")}.items():
            text = text.replace(there, str(ours))
        return text

    def run_page(self, page, **names):
        folder = self.folder / f"at-{page}"
        for name in ("first", "node"):
            (folder / name).mkdir(parents=True)
        kinds = {node: self.p.nodes[node] for node in self.p.nodes} | {"haus": "", "night-desk": ""} | dict.fromkeys(self.p.MEMBERS, "")
        (folder / "partners.csv").write_text("key;kind;purposes;address\n" + "".join(
            f"{self.p.lines[name]};{kind};{'danger-prevention' if kind == 'civil' else ''};{'broker.example.org:7411' if name == 'haus' else ''}\n" for name, kind in kinds.items()))
        for name in ("agreement.yaml", "agreement.yaml.sig", "draft.yaml", "mayor.key", "prosecutor.key", "passphrase", "fresh/flood-neckar.cap.xml"):
            target = folder / {"fresh/flood-neckar.cap.xml": "flood.cap.xml"}.get(name, name)
            target.write_bytes((self.folder / name).read_bytes())
            target.chmod((self.folder / name).stat().st_mode & 0o777)
        if page == "kurzweg-agreement-draft.1":
            self.kurzweg("agreement", "template", "agreement.yaml", "--to", folder / "rules.yaml")
        if page == "kurzweg-agreement-install.1":
            self.p.sign(folder / "draft.yaml", previous=folder / "agreement.yaml")
        script = "set -eu\n" + "\n".join(self.here(block, page, **names) for block in self.blocks(page))
        done = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=240,
                              env=environment(PATH=f"{BIN}:{os.environ['PATH']}", KURZWEG_SOCKET=self.p.socket(self.AT.get(page, POLICE)), fingerprint=self.fingerprint))
        self.assertEqual(done.returncode, 0, f"{script}\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def test_all_of_them_in_a_shell(self):
        p = self.partnership()
        self.fingerprint = p.fingerprint_of(self.folder / "agreement.yaml")
        (self.folder / "draft.yaml").write_text(p.text(version=2, previous=p.hash_of(self.folder / "agreement.yaml")))
        self.fresh("flood-neckar.cap.xml", "press-statement.json")
        at_order = ("--socket", p.socket(ORDER))
        draft = self.kurzweg("publish", "statement/flood", "--json", self.folder / "fresh" / "press-statement.json", "--wait", "stored", *at_order).stdout.strip()
        wait_until(lambda: draft in self.kurzweg("release", "list", "--json", "--socket", p.socket(POLICE)).stdout, what="the draft at its approver")
        shown = self.run_page("kurzweg-release.1", case=draft[-8:])
        self.assertIn("Approved", shown)

        def case():
            asked = self.kurzweg("publish", "request/noise/mitte", "--kind", "presence", "--subject", "Loud music", "--purpose", "danger-prevention", "--lifetime", "6h",
                                 "--wait", "stored", "--socket", p.socket(POLICE)).stdout.strip()
            wait_until(lambda: asked in self.kurzweg("case", "list", "--json", *at_order).stdout, what="the case at its first")
            return asked[-8:]

        runs = [page for page in sources() if page not in self.NOT_RUN and page not in self.LAST and page != "kurzweg-release.1" and self.blocks(page)]
        self.assertGreater(len(runs), 25)
        for page in (*runs, *self.LAST):
            with self.subTest(page=page):
                self.run_page(page, **({"case": case()} if page in self.AT else {}))
        self.assertEqual(wait_until(lambda: not self.broker.alive(), what="the broker's end") and self.broker.stop(), 0)

    def test_an_example_that_does_not_work_is_found(self):
        """The control."""
        self.folder.joinpath("fresh").mkdir()
        self.p, self.fingerprint = Partnership(self), ""
        self.p.agreement()
        for name in ("draft.yaml", "fresh/flood-neckar.cap.xml"):
            self.write(name, "")
        self.blocks = lambda page: ["kurzweg agreement check /etc/kurzweg/agreement.yaml --strictly\n"]
        with self.assertRaisesRegex(AssertionError, "no option --strictly"):
            self.run_page("kurzweg-agreement-check.1")

    def test_those_of_configuration_may_stand(self):
        p = Partnership(self)
        p.agreement()
        p.key("haus").rename(self.folder / "broker.key")
        p.key(POLICE).rename(self.folder / "node.key")
        for program in ("kurzweg-broker", "kurzweg-partner"):
            (text,) = self.blocks(f"{program}.yaml.5")
            text = re.sub(r"/(?:etc|run|var/lib)/kurzweg", str(self.folder), text.replace("/usr/lib/kurzweg/handlers", str(SOURCE / "deploy" / "handlers")))
            text = text.replace("tcp://*:7411", f"tcp://*:{free_ports()[0]}")  # a broker may run on this machine
            done = subprocess.run([str(BIN / program), "--config", str(self.write("config.yaml", text)), "--check-config"], capture_output=True, text=True, env=environment(), timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_that_of_the_agreement_may_stand(self):
        (text,) = self.blocks("kurzweg-agreement.yaml.5")
        p = Partnership(self, topics=text.partition("topics:\n")[2])
        self.assertTrue(self.kurzweg_json("agreement", "check", p.write())["ok"])

    def test_that_of_a_handler_does_what_it_says(self):
        (text,) = self.blocks("kurzweg-handlers.7")
        handler = self.write("handler", text, 0o755)
        self.write("logger", '#!/bin/sh\necho "$@"\n', 0o755)

        def runs(**env):
            done = subprocess.run([handler], input="{}", capture_output=True, text=True, timeout=60, env={"PATH": f"{self.folder}:/usr/bin:/bin", **env})
            self.assertEqual(done.returncode, 0, done.stderr)
            return done.stdout

        of = {"KURZWEG_KIND": "live", "KURZWEG_TOPIC": "alert/fire/west", "KURZWEG_HEADLINE": "Fire"}
        self.assertEqual(runs(KURZWEG_LANE="flash", **of), "live alert on alert/fire/west: Fire\n")
        self.assertEqual(runs(KURZWEG_LANE="urgent", **of) + runs(KURZWEG_LANE="flash", KURZWEG_REPEAT="1", **of), "")

    def test_that_of_the_library_publishes(self):
        (code,) = self.blocks("libkurzweg.3")
        p = self.partnership(nodes=(POLICE,))
        program = self.folder / "program"
        done = subprocess.run(["cc", "-std=c17", *sanitizers(), "-I", SOURCE / "clients" / "include", "-x", "c", "-", "-L", BUILD / "lib", "-lkurzweg", "-o", program], input=code,
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        done = subprocess.run([program], capture_output=True, text=True, timeout=60, env=environment(LD_LIBRARY_PATH=BUILD / "lib", KURZWEG_SOCKET=p.socket(POLICE)))
        self.assertRegex(done.stdout, r"\A[0-9a-f-]{36}\n\Z", done.stderr)


class Help(kurzweg_test.TestCase):
    """--help on paper and on a terminal."""

    def texts(self, **env):
        yield (), help_of("kurzweg", **env)
        for family in sorted({command.split()[0] for command in commands() if " " in command}):
            yield (family,), help_of("kurzweg", family, **env) if family != "audit" else help_of("kurzweg", "audit", **env)
        for command in commands():
            yield tuple(command.split()), help_of("kurzweg", *command.split(), **env)

    def test_no_line_is_longer_than_80_characters(self):
        for language in ("en", "de"):
            for words, text in self.texts(LANGUAGE=language):
                with self.subTest(language=language, words=words):
                    self.assertEqual([line for line in text.splitlines() if len(line) > 80], [])
        for program in DAEMONS:
            self.assertEqual([line for line in help_of(program).splitlines() if len(line) > 80], [])

    def test_what_is_said_of_options_stands_in_one_column_umlauts_or_not(self):
        for language in ("en", "de"):
            for words, text in self.texts(LANGUAGE=language):
                rows = re.findall(r"^  (?:-., |    )--\S+(?: \S+)?( *)(.*)$", text, re.M)
                with self.subTest(language=language, words=words):
                    for line in re.findall(r"^  (?:-., |    )--.*$", text, re.M):
                        left = re.match(r"  (?:-., |    )--\S+(?: \S+)?", line).group()
                        self.assertTrue(line == left or (line[30] == " " and line[31] != " " and len(left) < 31), line)
                    self.assertEqual(len(rows) == 0, not any("--" in line[:8] for line in text.splitlines() if line.startswith("  ")))

    def test_everything_is_german_where_german_is_asked_for(self):
        for (words, english), (_, german) in zip(self.texts(LANGUAGE="en"), self.texts(LANGUAGE="de"), strict=True):
            with self.subTest(words=words):
                self.assertTrue(german.startswith("Aufruf: kurzweg"))
                same = {line.strip() for line in english.splitlines()} & {line.strip() for line in german.splitlines()}
                self.assertEqual({line for line in same if re.search(r"\b(the|of|and|if|not|what|with|is)\b", line) and not line.startswith("kurzweg ") and line not in commands()}, set())

    def test_a_narrow_terminal_gets_narrow_lines(self):
        for language in ("en", "de"):
            shown = self.on_terminal("take", "--help", columns=40, LANGUAGE=language).replace("\r", "")
            self.assertEqual([line for line in shown.splitlines() if len(line) > 40], [])
            self.assertIn("--no-wait", shown)

    def test_a_wide_terminal_gets_longer_ones(self):
        self.assertTrue(any(80 < len(line) <= 110 for line in self.on_terminal("--help", columns=200).replace("\r", "").splitlines()))


if __name__ == "__main__":
    kurzweg_test.main()
