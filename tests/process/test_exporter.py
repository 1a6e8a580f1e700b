"""kurzweg-exporter at a real broker and a real node: what Prometheus gets, what it never gets, and what promtool and Prometheus themselves say of it."""

import json
import pathlib
import re
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.parse
import urllib.request

import kurzweg_test
from kurzweg_test import Partnership, SOURCE, free_ports, wait_until

SENDER, READER, AWAY = "police/control-room", "city/public-order", "youth-house/office"
MONITORING = SOURCE / "deploy" / "monitoring"
UNPACKED = SOURCE / "build" / "unpacked" / "usr" / "bin"
CANARY = "gelbe-giraffe"
TOPICS = f'  - {{filter: "alert/#", schema: alert, purpose: danger-prevention, publish: ["*"], receive: ["*"], lane: flash}}\n' \
         f'  - {{filter: "request/{CANARY}", schema: note, publish: ["*"], receive: [city], responsible: [{{who: city/public-order, take_within: 1h}}]}}\n'
BAD = {"two sources": ("give one of", 2, ("--control", "ipc:///x", "--socket", "ipc:///y")), "no source": ("give one of", 2, ()),
       "an argument": ("is not expected here", 2, ("x",)), "a broker without a key": ("go with the operator", 2, ("--control", "ipc:///x", "--broker", "tcp://127.0.0.1:1")),
       "the whole network": ("on the loopback alone", 78, ("--control", "ipc:///x", "--listen", "0.0.0.0:9741")),
       "the whole network of IPv6": ("on the loopback alone", 78, ("--control", "ipc:///x", "--listen", "[::]:9741")),
       "a name": ("no address in numbers", 78, ("--control", "ipc:///x", "--listen", "localhost:9741")),
       "no port": ("write ADDRESS:PORT", 78, ("--control", "ipc:///x", "--listen", "9741")), "port 0": ("the port of --listen", 78, ("--control", "ipc:///x", "--listen", "127.0.0.1:0")),
       "no key": ("/nowhere.key", 78, ("--key", "/nowhere.key", "--agreement", "/nowhere.yaml")), "no socket": ("ipc://", 78, ("--control", "tcp://127.0.0.1:1"))}


def prometheus_tool(name):
    tool = UNPACKED / name
    if not tool.exists():
        raise unittest.SkipTest(f"{name} is not unpacked (deploy/unpack); nothing is said of what it would say")
    return tool


class Told(kurzweg_test.TestCase):
    def partnership(self):
        p = Partnership(self, endpoint=f"tcp://127.0.0.1:{free_ports()[0]}", topics=TOPICS)
        p.agreement()
        return p

    def exporter(self, *args):
        port = free_ports()[0]
        daemon = self.daemon("kurzweg-exporter", *args, "--listen", f"127.0.0.1:{port}", log=self.folder / f"exporter-{port}.log")
        daemon.wait_for("exporter.ready")
        self.url = f"http://127.0.0.1:{port}"
        return daemon

    def metrics(self):
        with urllib.request.urlopen(self.url + "/metrics", timeout=20) as answer:
            self.assertEqual(answer.headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
            return answer.read().decode()

    def value(self, series):
        for line in self.metrics().splitlines():
            if line.startswith(series + " "):
                return float(line.split()[-1])
        return None

    def until(self, series, wanted):
        wait_until(lambda: self.value(series) == wanted, what=f"{series} {wanted}")

    def publish(self, p):
        self.kurzweg("publish", "alert/flood", "--cap", self.fresh("flood-neckar.cap.xml")[0], "--socket", p.socket(SENDER), "--wait", "stored")
        self.kurzweg("publish", f"request/{CANARY}", "--json", self.write("note.json", json.dumps({"text": f"{CANARY} is loose"})), "--socket", p.socket(SENDER), "--wait", "stored")


class Exporter(Told):
    def test_a_broker_with_a_node_away(self):
        p = self.partnership()
        broker = p.broker()
        for node in (SENDER, READER):
            p.node(node).wait_for("link.up")
        exporter = self.exporter("--control", f"ipc://{p.folder}/broker.sock")
        self.publish(p)
        self.until('kurzweg_nodes{state="connected"}', 2)
        self.until(f'kurzweg_node_connected{{node="{AWAY}"}}', 0)
        self.until(f'kurzweg_node_behind{{node="{AWAY}",lane="flash"}}', 1)
        self.until("kurzweg_cases_open", 1)
        text = self.metrics()
        self.assertIn('kurzweg_broker_state{state="serving"} 1\n', text)
        self.assertGreaterEqual(self.value("kurzweg_notifications_stored_total"), 2)
        for word in (CANARY, "alert/", "request/", "Neckar"):
            self.assertNotIn(word, text)
        promtool = subprocess.run([prometheus_tool("promtool"), "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
        self.assertEqual((promtool.returncode, promtool.stdout + promtool.stderr), (0, ""))

        # the broker goes and comes: told to Prometheus by kurzweg_up, and once to the log
        self.assertEqual(broker.stop(), 0)
        self.until("kurzweg_up", 0)
        self.assertNotIn("kurzweg_broker", self.metrics())
        self.until("kurzweg_up", 0)
        self.assertEqual(exporter.text().count("exporter.no_answer"), 1)
        broker.start().wait_for("broker.ready", times=2)
        self.until("kurzweg_up", 1)
        exporter.wait_for("exporter.answered_again")
        self.assertEqual(exporter.stop(), 0)

    def test_a_broker_over_the_network_and_without_single_nodes(self):
        p = self.partnership()
        p.broker()
        way = ("--key", p.key("night-desk"), "--agreement", p.folder / "agreement.yaml")
        self.exporter(*way, "--no-nodes")
        self.until("kurzweg_up", 1)
        self.assertNotIn("kurzweg_node", self.metrics())
        node = subprocess.run([kurzweg_test.BIN / "kurzweg-exporter", "--key", p.key(SENDER), *way[2:]], capture_output=True, text=True, timeout=30, env=kurzweg_test.environment())
        self.assertEqual(node.returncode, 78)
        self.assertIn("the broker's state is for operators", node.stderr)

    def test_a_node(self):
        p = self.partnership()
        broker = p.broker()
        p.node(SENDER).wait_for("link.up")
        exporter = self.exporter("--socket", p.socket(SENDER))
        self.publish(p)
        self.until("kurzweg_partner_link_up", 1)
        self.until("kurzweg_partner_outbox_waiting", 0)
        text = self.metrics()
        for word in (CANARY, "alert/", "request/", "Neckar"):
            self.assertNotIn(word, text)
        self.assertEqual(broker.stop(), 0)
        self.until("kurzweg_partner_link_up", 0)
        self.assertEqual(exporter.stop(), 0)

    def test_only_metrics_are_there_to_be_read(self):
        p = self.partnership()
        p.broker()
        self.exporter("--control", f"ipc://{p.folder}/broker.sock")

        def status(path, method="GET", body=None):
            try:
                with urllib.request.urlopen(urllib.request.Request(self.url + path, method=method, data=body), timeout=20) as answer:
                    return answer.status
            except urllib.error.HTTPError as refused:
                return refused.code

        self.assertEqual(status("/"), 200)
        self.assertEqual(status("/metrics", "HEAD"), 200)
        self.assertEqual(status("/../../etc/passwd"), 404)
        self.assertEqual(status("/metrics", "POST", b"x" * 100000), 405)
        self.assertEqual(status("/metrics", "DELETE"), 405)
        self.assertEqual(self.value("kurzweg_up"), 1)

    def test_what_cannot_be_is_said_in_one_sentence(self):
        for name, (says, code, args) in BAD.items():
            with self.subTest(name):
                done = subprocess.run([kurzweg_test.BIN / "kurzweg-exporter", *args], capture_output=True, text=True, timeout=30, env=kurzweg_test.environment())
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(says, done.stderr)
        version = subprocess.run([kurzweg_test.BIN / "kurzweg-exporter", "--version"], capture_output=True, text=True, timeout=30, env=kurzweg_test.environment())
        self.assertEqual((version.returncode, version.stdout.split()[0]), (0, "kurzweg-exporter"))
        p = self.partnership()
        p.broker()
        first = self.exporter("--control", f"ipc://{p.folder}/broker.sock")
        second = subprocess.run([kurzweg_test.BIN / "kurzweg-exporter", "--control", f"ipc://{p.folder}/broker.sock", "--listen", self.url.removeprefix("http://")],
                                capture_output=True, text=True, timeout=30, env=kurzweg_test.environment())
        self.assertEqual(second.returncode, 1)
        self.assertIn("cannot listen", second.stderr)
        self.assertTrue(first.alive())


class Monitoring(unittest.TestCase):
    """deploy/monitoring/: rules and dashboard."""

    def names_used(self):
        rules = (MONITORING / "kurzweg.rules.yaml").read_text()
        panels = json.loads((MONITORING / "grafana-dashboard.json").read_text())["panels"]
        asked = re.findall(r"expr: (.*)", rules) + [t["expr"] for panel in panels for t in panel["targets"]]
        return {name for text in asked for name in re.findall(r"kurzweg_[a-z_]+", text)}

    def test_every_metric_that_they_ask_for_exists(self):
        told = set(re.findall(r'"(kurzweg_[a-z_]+)"', (SOURCE / "clients" / "exporter" / "metrics.c").read_text()))
        used = self.names_used()
        self.assertGreater(len(used), 20)
        self.assertEqual(used - told, set())

    def test_rules_hold_and_say_what_they_should(self):
        promtool = prometheus_tool("promtool")
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            (folder / "kurzweg.rules.yaml").write_text((MONITORING / "kurzweg.rules.yaml").read_text())
            (folder / "prometheus.yaml").write_text((MONITORING / "prometheus.yaml.sample").read_text())
            tests = (pathlib.Path(__file__).parent / "kurzweg.rules.test.yaml").read_text()
            (folder / "tests.yaml").write_text(tests)
            (folder / "wrong.yaml").write_text(tests.replace("severity: page", "severity: ticket"))
            for args, code in ((("check", "config", "prometheus.yaml"), 0), (("test", "rules", "tests.yaml"), 0), (("test", "rules", "wrong.yaml"), 1)):
                done = subprocess.run([promtool, *args], cwd=folder, capture_output=True, text=True, timeout=60)
                self.assertEqual(done.returncode, code, f"{args}:\n{done.stdout}{done.stderr}")


class RealPrometheus(Told):
    def test_prometheus_reads_it_and_its_rules_fire(self):
        prometheus = prometheus_tool("prometheus")
        p = self.partnership()
        broker = p.broker()
        self.exporter("--control", f"ipc://{p.folder}/broker.sock")
        port = free_ports()[0]
        rules = (MONITORING / "kurzweg.rules.yaml").read_text()
        self.write("kurzweg.rules.yaml", re.sub(r"for: 1m", "for: 1s", rules))  # so that nobody waits for it
        config = self.write("prometheus.yaml", "global: {scrape_interval: 1s, evaluation_interval: 1s}\n" +
                            (MONITORING / "prometheus.yaml.sample").read_text().replace("127.0.0.1:9741", self.url.removeprefix("http://")).replace("scrape_interval: 15s", "scrape_interval: 1s"))
        server = kurzweg_test.Daemon([prometheus, f"--config.file={config}", f"--storage.tsdb.path={self.folder}/prometheus", f"--web.listen-address=127.0.0.1:{port}"],
                                     self.folder / "prometheus.log", HOME=str(self.folder))
        self.addCleanup(server.kill)

        def asked(query):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?" + urllib.parse.urlencode({"query": query}), timeout=5) as answer:
                    return [(r["metric"], float(r["value"][1])) for r in json.load(answer)["data"]["result"]]
            except OSError:
                return []

        wait_until(lambda: [v for _, v in asked("kurzweg_up")] == [1.0], deadline=60, what="Prometheus to have read it")
        self.assertEqual([m["state"] for m, v in asked("kurzweg_broker_state == 1")], ["serving"])
        self.assertEqual(broker.stop(), 0)
        wait_until(lambda: [m["alertstate"] for m, _ in asked('ALERTS{alertname="KurzwegDown"}')] == ["firing"], deadline=60, what="the alert")


if __name__ == "__main__":
    kurzweg_test.main()
