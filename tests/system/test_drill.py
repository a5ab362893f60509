#!/usr/bin/python3
"""Drills: verdicts, exit statuses, evidence; the same bytes over processes, in memory, at any --jobs;
for each kind of expectation a wrong bound that fails, and the line that reproduces it; what happens
to a drill that is interrupted, killed or too slow.
"""
import glob
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import xml.etree.ElementTree as ET

import xsd
from vl import SRC, Home, Mesh, check, read, run_cases, until

MESH = f"{SRC}/topologies/tri3.yaml"
HEAD = f"""drill: 1
name: small
topology: {MESH}
time: {{ duration: 60ms, settle: 10ms, recover: 20ms }}
timeline:
  - {{ id: cut, at: 20ms, do: cut, target: l1, for: 10ms }}
  - {{ id: kill, at: 40ms, do: kill, target: n3 }}
"""


def schema():
    return json.load(open(f"{SRC}/docs/result.schema.json", encoding="utf-8"))


TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def is_type(value, name):
    if name in ("integer", "number"):
        return not isinstance(value, bool) and isinstance(
            value, int if name == "integer" else (int, float))
    return isinstance(value, TYPES[name])


def validate(value, rule, root, at="$"):
    """The part of JSON Schema that the published one uses; a keyword that is not known fails."""
    known = {"$schema", "title", "description", "$defs", "$ref", "type", "const", "enum", "required",
             "properties", "additionalProperties", "items", "minimum", "maximum",
             "exclusiveMinimum", "pattern"}
    check(set(rule) <= known, f"the validator does not know {set(rule) - known}")
    if "$ref" in rule:
        validate(value, root["$defs"][rule["$ref"].rsplit("/", 1)[1]], root, at)
    if "type" in rule:
        names = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
        check(any(is_type(value, n) for n in names), f"{at}: {value!r} is not {names}")
    check("const" not in rule or value == rule["const"], f"{at}: {value!r}")
    check("enum" not in rule or value in rule["enum"], f"{at}: {value!r} not in {rule.get('enum')}")
    check("pattern" not in rule or re.search(rule["pattern"], value), f"{at}: {value!r}")
    number = is_type(value, "number")
    check(not number or value >= rule.get("minimum", value), f"{at}: {value}")
    check("maximum" not in rule or value <= rule["maximum"], f"{at}: {value}")
    check("exclusiveMinimum" not in rule or value > rule["exclusiveMinimum"], f"{at}: {value}")
    if isinstance(value, dict):
        for key in rule.get("required", []):
            check(key in value, f"{at}: '{key}' is missing")
        for key, v in value.items():
            more = rule.get("additionalProperties", True)
            sub = rule.get("properties", {}).get(key, more)
            check(sub is not False, f"{at}: '{key}' is not in the schema")
            if isinstance(sub, dict):
                validate(v, sub, root, f"{at}.{key}")
    if isinstance(value, list) and "items" in rule:
        for i, v in enumerate(value):
            validate(v, rule["items"], root, f"{at}[{i}]")


def check_xsd(text):
    """Against the schema of the format that CI servers read; xmllint, where there is one, agrees."""
    said = None
    try:
        xsd.Schema(f"{SRC}/tests/system/junit.xsd").check(text)
    except xsd.Invalid as e:
        said = str(e)
    if shutil.which("xmllint"):
        r = xmllint(text)
        check((r.returncode == 0) == (said is None), lambda: f"xsd.py says {said}, xmllint {r.stderr}")
    check(said is None, said)


def xmllint(text):
    return subprocess.run(["xmllint", "--noout", "--nonet", "--schema", f"{SRC}/tests/system/junit.xsd",
                           "-"], input=text, text=True, capture_output=True, check=False)


def check_junit(text):
    """What the common JUnit schema (Jenkins, windyroad) wants of elements, attributes and counts."""
    root = ET.fromstring(text)
    check_xsd(text)
    check(root.tag == "testsuites", root.tag)
    for suite in root:
        check(suite.tag == "testsuite" and {"name", "tests", "failures", "errors", "time"} <=
              set(suite.attrib), f"{suite.tag} {suite.attrib}")
        cases = suite.findall("testcase")
        tags = [e.tag for e in suite]
        check(tags == ["properties"] * tags.count("properties") + ["testcase"] * len(cases), tags)
        check(int(suite.get("tests")) == len(cases), "tests")
        for name in ("failure", "error"):
            check(int(suite.get(name + "s")) == len(suite.findall(f"testcase/{name}")), name)
        names = [c.get("name") for c in cases]
        check(len(names) == len(set(names)), f"names are there twice: {names}")
        for c in cases:
            check({"name", "classname", "time"} <= set(c.attrib), c.attrib)
            for e in c:
                check(e.get("message") and e.get("type") and "reproduce: voltloom drill" in e.text,
                      ET.tostring(e))
    return root


def judge(home, expect, *args, name="d", head=HEAD, status=None):
    """Runs a drill in memory; returns the result and the process."""
    path = home.file(f"{name}.yaml", head + expect)
    r = home.vl("drill", path, "--memory", "--json", f"{home.dir}/{name}.json", *args)
    check(status is None or r.status == status, lambda: f"wanted exit status {status}: {r}")
    lines = read(f"{home.dir}/{name}.json").splitlines()
    result = json.loads(lines[0]) if lines else None
    if result:
        validate(result, schema(), schema())
    return result, r


def entry(result, name):
    return next(e for e in result["expectations"] if e["id"] == name)


# ---- verdicts ---------------------------------------------------------------------------------

# A right bound, a wrong one, and what is observed. tri3 is fed with 48.5 V over droop; n2 draws 100 W.
KINDS = {
    "always": ('always: "min(node.*.v) >= 45V", from: cut',
               'always: "min(node.*.v) >= 55V", from: cut', r"min\(node.*\) was 4\d\.\d+V \(node\.n\d\.v\) at 0\.0\d+ s, bound >= 55V"),
    "never": ('never: "max(node.*.v) > 55V"', 'never: "max(node.*.v) > 45V"',
              r"max\(node.*\) was 4\d\.\d+V .* at 0\.\d+ s, bound <= 45V"),
    "never-event": ('never: "link.open link=l2 cause=cut"', 'never: "link.open link=l1 cause=cut"',
                    r"link\.open link=l1 cause=cut .* at 0\.02 s, step 200, bound: none"),
    "eventually": ('eventually: "link.l1.open == 1", after: cut, within: 5ms',
                   'eventually: "link.l2.open == 1", after: cut, within: 5ms',
                   r"never held; at best link\.l2\.open was 0 .* bound == 1"),
    "settles": ('settles: "link.l1.open == 0", after: cut, within: 15ms, hold: 5ms',
                'settles: "link.l1.open == 0", after: cut, within: 5ms, hold: 1ms',
                r"did not settle; last, link\.l1\.open was 1 .* at 0\.02\d* s, bound == 0"),
    "event": ('event: "link.open link=l3 cause=death", after: kill, within: 1ms',
              'event: "link.open link=l3 cause=death", after: cut, within: 5ms',
              r"no 'link\.open link=l3 cause=death' from 0\.02 s to 0\.025 s"),
    "metric": ("metric: mesh.source_j, min: 1J", "metric: mesh.source_j, min: 1MJ",
               r"mesh\.source_j was [\d.]+J at 0\.06 s, bound >= 1MJ"),
    # n3 draws nothing while it is dead, for a third of the time: less than without the kill.
    "compare": ("compare: mesh.source_j, against: { timeline: none }, max_ratio: 0.999",
                "compare: mesh.source_j, against: { timeline: none }, max_ratio: 0.5",
                r"mesh\.source_j was [\d.]+J at 0\.06 s, [\d.]+J with timeline: none, ratio 0\.[5-9]\d*, bound <= 0\.5"),
}


def wrong_bounds():
    """Each kind passes with the right bound; with a wrong one it says what, when, and how to see it again."""
    with Home() as home:
        for kind, (right, wrong, says) in KINDS.items():
            result, _ = judge(home, f"expect:\n  - {{ id: x, {right} }}\n", status=0)
            check(entry(result, "x")["verdict"] == "pass", kind)
            result, r = judge(home, f"expect:\n  - {{ id: x, {wrong} }}\n", status=1)
            e = entry(result, "x")
            check(e["verdict"] == "fail" and re.search(says, e["text"]), f"{kind}: {e['text']}")
            check(e["text"] in r.out, lambda: f"{kind}: not printed: {r}")
            line = re.search(r"reproduce: (voltloom drill .*)", r.out).group(1)
            check(result["reproduce"] + " --memory" == line, line)
            again = home.vl(*shlex.split(line)[1:], "--json", "-").wants(1)
            check(json.loads(again.out.splitlines()[0]) == result, f"{kind}: not reproduced")


def compares():
    """Against another control, no timeline, and another file: the values are those of the other runs."""
    with Home() as home:
        other = home.file("other.yaml", HEAD.replace("60ms", "50ms").replace(MESH, f"{SRC}/topologies/pair.yaml")
                          .split("timeline:")[0])
        against = {"a": ("control: none", "until: 30ms"), "b": ("timeline: none", ""), "c": ("drill: other.yaml", "")}
        expect = "expect:\n" + "".join(
            f"  - {{ id: {i}, compare: mesh.loss_j, against: {{ {how} }}, max_ratio: 1000{', ' + w if w else ''} }}\n"
            for i, (how, w) in against.items())
        result, _ = judge(home, expect, status=0)

        def loss(text, at, name):
            path = home.file(f"{name}.yaml", text)
            home.ok("drill", path, "--memory", "--out", f"{home.dir}/{name}")
            csv = home.ok("export", f"{home.dir}/{name}", "--signals", "mesh.loss_j", "--every", "1ms").out
            return next(float(line.split(",")[1]) for line in csv.splitlines() if line.startswith(at + ","))

        mesh = home.file("none.yaml", read(MESH).replace("control: consensus", "control: none"))
        wanted = {"a": loss(HEAD.replace(MESH, mesh), "0.03", "na"), "b": loss(HEAD.split("timeline:")[0], "0.06", "nb"),
                  "c": loss(read(other), "0.05", "nc")}
        for i, value in wanted.items():
            e = entry(result, i)
            check(abs(e["reference"] - value) <= 1e-8 * value and e["bound"] == 1000 * e["reference"], (i, e, value))
            check(value != wanted["abc"[("abc".index(i) + 1) % 3]], wanted)
        # The other drill is of another mesh: a signal that it does not have makes the drill invalid.
        _, r = judge(home, "expect:\n  - { id: x, compare: node.n3.v, against: { drill: other.yaml }, max_ratio: 1 }\n",
                     status=3)
        check("no node 'n3'" in r.out, r)


def steady_state():
    """The gate before the first action, and the state after healing, are judged and can fail."""
    with Home() as home:
        bad = "steady_state:\n  - { id: high, expr: \"min(node.*.v) >= 55V\" }\n"
        result, _ = judge(home, bad, status=1)
        check([e["operator"] for e in result["expectations"]] ==
              ["steady state before", "steady state after"], result)
        # n3 is healed at the end: it lives again, and link l3 with it.
        good = "steady_state:\n  - { id: all, expr: \"max(link.*.open) == 0\", for: 2ms }\n"
        result, _ = judge(home, good, status=0)
        check([(f["id"], f["heals"], f["t_s"]) for f in result["faults"]][:3] ==
              [("cut", False, 0.02), ("cut.end", False, 0.03), ("kill", False, 0.04)],
              result["faults"])
        heal = result["faults"][3]  # at the first port step after the duration
        check((heal["id"], heal["heals"]) == ("heal.n3", True) and 0.06 < heal["t_s"] <= 0.061, heal)
        check((result["duration_s"], result["end_s"]) == (0.06, 0.08), result)


def not_judged():
    """No sample, no event to begin at, a window after the end: inconclusive. Abort; vacuous."""
    with Home() as home:
        for text in ('always: "node.n3.v >= 1V", from: kill + 1ms',
                     'always: "node.n1.v >= 1V", from: "joined subject=n2"',
                     'settles: "node.n1.v >= 99V", after: "link.open link=l3", within: 50ms'):
            result, _ = judge(home, f"expect:\n  - {{ id: x, {text} }}\n", status=2)
            check(result["verdict"] == entry(result, "x")["verdict"] == "inconclusive", text)
        result, _ = judge(home, 'abort_if: "max(node.*.v) > 40V"\n', status=5)
        check(result["verdict"] == "aborted", result)
        vacuous = 'expect:\n  - { id: x, eventually: "node.n1.v >= 1V" }\n'
        result, r = judge(home, vacuous, status=0)
        check(entry(result, "x")["vacuous"] and "vacuous" in r.out, r)
        judge(home, vacuous, "--strict", status=1)
        judge(home, "expect: 5\n", status=3)
        judge(home, "", "--param", "nothing=1", status=3)
        judge(home, "", "--seeds", "5..1", status=64)
        judge(home, "", "--report", f"{home.dir}/r.html", "--seeds", "1..2", status=64)


# What a timeline waits for: 1.9 kW more on n2 at 20 ms pull its bus down.
WAITS = f"""drill: 1
name: waits
topology: {MESH}
time: {{ duration: 80ms, settle: 10ms, recover: 20ms }}
timeline:
  - {{ id: more, at: 20ms, do: load, target: n2, with: {{ level: 2kW }} }}
  - {{ id: kill, at: when node.n2.v < BOUND, after: more, within: 20ms, do: kill, target: n3 }}
  - {{ id: back, at: kill + 5ms, do: start, target: n3 }}
  - {{ id: cut, at: when joined subject=n3, after: back, within: 5ms, do: cut, target: l1, for: 2ms }}
"""


def waits():
    """An action on a condition acts in the step after the first frame that shows it; then its time
    is that of any other action. One that does not fire is inconclusive, and what counts on it."""
    with Home() as home:
        expect = ('expect:\n  - { id: x, event: "link.open link=l2 cause=death", after: kill, within: 1ms }\n'
                  '  - { id: y, never: "link.open link=l1 cause=cut", until: back }\n')
        head = WAITS.replace("BOUND", "47.9V")
        result, _ = judge(home, expect, "--out", f"{home.dir}/m", head=head, status=0)
        faults = {f["id"]: f for f in result["faults"]}
        check(faults["kill"]["when"] == "node.n2.v < 47.9V" and all(f["proved"] for f in result["faults"]),
              result["faults"])
        # Against an export of the same run: frame k - 1 is the first whose whole sample is below.
        k = faults["kill"]["step"]
        csv = home.ok("export", f"{home.dir}/m", "--signals", "node.n2.v_max", "--every", "100us").out
        volts = [float(line.split(",")[1]) for line in csv.splitlines()[1:]]
        check(k > 201 and volts[k - 1] < 47.9 <= min(volts[201:k - 1]), (k, volts[195:k + 2]))
        check(faults["back"]["step"] >= k + 50 and
              faults["cut"]["step"] == faults["back"]["step"] + 2, faults)
        # Real processes: the same bytes; so does the same timeline with the times written down.
        home.ok("drill", f"{home.dir}/d.yaml", "--out", f"{home.dir}/p")
        for name in ("result.json", "report.html"):
            check(open(f"{home.dir}/p/{name}", "rb").read() == open(f"{home.dir}/m/{name}", "rb").read(),
                  f"{name} differs between processes and memory")
        fixed = re.sub(r"at: when joined.*?do: cut", f"at: {faults['cut']['step'] * 100}us, do: cut",
                       re.sub(r"at: when node.*?do: kill", f"at: {k * 100}us, do: kill", head))
        check("when" not in fixed, fixed)
        same, _ = judge(home, expect, head=fixed, status=0)
        check(same["summary"]["trace"] == result["summary"]["trace"], "the trace of fixed times differs")
        # A bound that is never reached: nothing fires, and the line says it again.
        never = WAITS.replace("BOUND", "20V")
        result, r = judge(home, expect, head=never, status=2)
        check([f["id"] for f in result["faults"] if not f["proved"]] == ["kill", "back", "cut"], result)
        check("its condition did not hold from 0.02 s to 0.04 s" in r.out and
              entry(result, "x")["verdict"] == "inconclusive", r)
        line = re.search(r"reproduce: (voltloom drill .*)", r.out).group(1)
        again = home.vl(*shlex.split(line)[1:], "--json", "-").wants(2)
        check(json.loads(again.out.splitlines()[0]) == result, "not reproduced")
        # Timelines that turn out to be wrong: beyond the blast radius, or impossible.
        judge(home, "blast_radius: { max_nodes_down: 0 }\n", head=head, status=5)
        twice = head + "  - { id: again, at: kill + 1ms, do: kill, target: n3 }\n"
        _, r = judge(home, "", head=twice, status=3)
        check("'n3' is already down" in r.out, r)


PLUGS = f"""drill: 1
name: plugs
topology: {SRC}/topologies/rack8.yaml
time: {{ duration: 300ms, settle: 50ms, recover: 100ms }}
timeline:
  - {{ id: out, at: 100ms, do: unplug, target: m4, for: 150ms }}
  - {{ id: cpu, at: 120ms, do: unplug, target: m1 }}
  - {{ id: killed, at: 140ms, do: kill, target: m1 }}
  - {{ id: again, at: 160ms, do: start, target: m1 }}
  - {{ id: surge, at: 200ms, do: surge, target: [m6, n2], with: {{ power: 300W, ramp: 5ms }}, for: 50ms }}
  - {{ id: ramp, at: 100ms, do: ramp, target: [n1, m8], with: {{ level: 700W, time: 100ms }} }}
"""


def plugs():
    """Modules out of and into their slots, surges, ramps: what the recorder shows is what physics says."""
    with Home() as home:
        expect = "".join(f"  - {{ id: {n}, {e} }}\n" for n, e in (
            ("out", 'always: "module.m4.plugged == 0", from: out, until: out.end'),
            # C_in 1 mF, ramp to 1.5 x 300 W/48 V in 10 ms: 48 V after sqrt(2 C V 10ms/9.375A) = 10.1 ms.
            ("inrush", 'always: "sum(module.m4.i_in.*) <= 9.375A", from: out.end, within: 9ms'),
            ("dark", 'always: "module.m4.p == 0W", from: out.end, within: 9ms'),
            ("lit", 'settles: "module.m4.p >= 299.9W", after: out.end + 9ms, within: 3ms'),
            ("still-out", 'always: "module.m1.plugged == 0", from: again'),
            ("surged", 'always: "module.m6.p >= 699W", from: surge + 6ms, until: surge.end'),
            ("rises", 'always: "module.m6.p >= 546W and module.m6.p <= 554W", from: surge + 2.4ms, within: 200us'),
            ("falls", 'always: "module.m6.p <= 401W", from: surge.end + 6ms'),
            ("halfway", 'always: "module.m8.p >= 474W and module.m8.p <= 476W", from: ramp + 49.9ms, within: 200us'),
            ("useful", "metric: mesh.energy_residual, max: 0.000000001"),
            ("served", "metric: mesh.unserved_j, max: 0J")))
        result, r = judge(home, "expect:\n" + expect, "--out", f"{home.dir}/m", head=PLUGS, status=0)
        heals = {f["id"]: f["action"] for f in result["faults"] if f["heals"]}
        check(heals["heal.m1"] == "plug" and set(heals.values()) == {"plug", "load"}, heals)
        home.ok("drill", f"{home.dir}/d.yaml", "--out", f"{home.dir}/p", timeout=100)
        check(read(f"{home.dir}/p/result.json") == read(f"{home.dir}/m/result.json"), "differs")


# ---- evidence ---------------------------------------------------------------------------------

def same_bytes():
    """Processes, memory, and two jobs: the same result and report; all other evidence is there."""
    with Home() as home:
        expect = ('expect:\n  - { id: a, always: "min(node.*.v) >= 45V", from: cut }\n'
                  '  - { id: b, event: "joined subject=n3", after: back }\n')
        head = HEAD + "  - { id: back, at: 50ms, do: start, target: n3 }\n"
        path = home.file("same.yaml", head + expect)
        one = [("p", []), ("m", ["--memory"])]
        for name, args in one:
            home.ok("drill", path, "--out", f"{home.dir}/{name}", "--report",
                    f"{home.dir}/{name}.html", *args)
        for name in ("result.json", "report.html"):
            a, b = (open(f"{home.dir}/{d}/{name}", "rb").read() for d, _ in one)
            check(a == b and len(a) > 1000, f"{name} differs between processes and memory")
        check(read(f"{home.dir}/p.html") == read(f"{home.dir}/p/report.html"), "--report")
        for name in ("junit.xml", "host.json", "drill.yaml", "mesh.yaml"):
            check(os.path.exists(f"{home.dir}/p/{name}"), name)
        check("n3: SIGKILL, scripted, step 400" in read(f"{home.dir}/p/supervisor.log"), "no kill")
        page = read(f"{home.dir}/p/report.html")
        for word in ("<svg", "Bus voltages", "Link currents", "Feed loading", "Energy", "Events",
                     "prefers-color-scheme", "@media print", "voltloom drill "):
            check(word in page, word)
        check("http" not in page and "<script" not in page, "the page is not alone")
        check_junit(read(f"{home.dir}/p/junit.xml"))
        home.ok("drill", path, path, "--memory", "--jobs", "2", "--json", f"{home.dir}/two.json")
        lines = read(f"{home.dir}/two.json").splitlines(True)
        check(lines == [read(f"{home.dir}/p/result.json")] * 2, "--jobs 2 gives other bytes")


def sweep():
    """A matrix and seeds: in order, nothing kept of what passes; what fails is reproduced alone."""
    with Home() as home:
        text = HEAD.replace("target: n3", 'target: "${who}"') + (
            "matrix: { who: [n1, n3] }\n"
            'expect:\n  - { id: x, never: "park subject=n1" }\n')
        path = home.file("m.yaml", text)
        out = [f"{home.dir}/{n}" for n in ("j.xml", "j.json", "summary.md")]
        env = dict(home.env, GITHUB_STEP_SUMMARY=out[2])
        r = home.vl("drill", path, "--seeds", "3..5", "--jobs", "2", "--memory", "--junit", out[0],
                    "--json", out[1], "--format", "github", env=env).wants(1)
        got = [(x["parameters"]["who"], x["seed"], x["verdict"])
               for x in map(json.loads, read(out[1]).splitlines())]
        check(got == [(w, s, "fail" if w == "n1" else "pass") for w in ("n1", "n3") for s in (3, 4, 5)],
              got)
        check("6 runs: 3 pass 3 fail" in r.out and r.out.count("::error file=") == 3, r)
        suites = check_junit(read(out[0])).findall("testsuite")
        check([s.get("name") for s in suites][:2] == ["small [who=n1] seed 3", "small [who=n1] seed 4"],
              [s.get("name") for s in suites])
        check(read(out[2]).count("\n| fail |") == 3 and read(out[2]).count("\n| pass |") == 3, read(out[2]))
        kept = glob.glob(f"{home.run_root}/tri3/*/result.json")
        check(len(kept) == 3, f"of the failing seeds only: {kept}")
        line = re.search(r"reproduce: voltloom (drill .*--seed 4 .*)", r.out).group(1)
        check("--param who=n1" in line, line)
        home.vl(*shlex.split(line)).wants(1, "small [who=n1]")
        home.ok("drill", path, "--param", "who=n3", "--memory")


def shipped():
    """Every drill that comes with the program passes in memory, and four over processes (all of them
    with VL_NIGHTLY), with the same result."""
    with Home() as home:
        files = sorted(glob.glob(f"{SRC}/scripts/drills/*.yaml"))
        check(len(files) >= 16, files)
        for f in files:
            check(read(f).startswith("# "), f"{f} does not say what it is for")
        home.ok("drill", *files, "--memory", "--seeds", "42..42", "--jobs", "2", timeout=170)
        some = [f"{SRC}/scripts/drills/{n}.yaml" for n in ("module-restart", "cut-and-heal", "hotswap-storm", "relay-kill")]
        check(set(some) <= set(files), some)
        for f in files if os.environ.get("VL_NIGHTLY") else some:
            out = []
            for args in (["--memory"], []):
                home.ok("drill", f, "--json", f"{home.dir}/one.json", *args, timeout=600)
                out.append(read(f"{home.dir}/one.json"))
            check(out[0] == out[1], f"{f}: processes and memory differ")
        relay = f"{SRC}/scripts/drills/relay-kill.yaml"
        home.ok("drill", relay, "--memory").wants(0, "in memory there is no relay: it was not killed")
        home.vl("drill", relay, "--memory", "--strict").wants(2, "INCONCLUSIVE relay-kill")
        log = glob.glob(f"{home.run_root}/tri3/*/supervisor.log")
        check(any("relay: SIGKILL, scripted, step 3000" in read(f) for f in log), log)


def broken_junit():
    """What the schema forbids, the validator refuses, and xmllint, where there is one, too."""
    good = ('<testsuites><testsuite name="a" tests="1" failures="0" errors="0" time="0.5"><properties>'
            '<property name="seed" value="1"/></properties><testcase name="x" classname="a" time="0">'
            '<failure type="fail" message="m">text</failure></testcase><system-out>o</system-out>'
            '</testsuite></testsuites>')
    check_xsd(good)
    for was, now in ((' tests="1"', ""), ('tests="1"', 'tests="-1"'), ('time="0.5"', 'time="-0.5"'),
                     ('time="0.5"', 'time="fast"'), ('name="a"', 'name=""'), ('<testcase', '<testcase at="1"'),
                     ("<testsuite ", "text<testsuite "), ("<failure", "<flop"), ("</failure>", "</failure><error type='e'/>"),
                     ("<system-out>o</system-out>", "<system-out>o</system-out><testcase name='y' classname='a' time='0'/>"),
                     ("</properties>", '<property name="seed" value="2"/></properties>'),
                     ("</testcase>", '</testcase><testcase name="x" classname="a" time="0"/>'),
                     ("<system-out>o", "<system-out><b/>"), ('value="1"', ""), ("testsuites", "suites")):
        bad = good.replace(was, now)
        if now == "<flop":
            bad = bad.replace("</failure>", "</flop>")
        check(bad != good, was)
        try:
            xsd.Schema(f"{SRC}/tests/system/junit.xsd").check(bad)
            refused = False
        except xsd.Invalid:
            refused = True
        check(refused, f"'{was}' as '{now}' is accepted")
        check(not shutil.which("xmllint") or xmllint(bad).returncode, f"xmllint accepts '{now}'")


def registry():
    """--actions --json: what is said is what the parser does."""
    with Home() as home:
        actions = {a["name"]: a for a in
                   json.loads(home.ok("drill", "--actions", "--json").out)["actions"]}
        names = re.findall(r"^(\w+) ", home.ok("drill", "--actions").out, re.M)
        check(list(actions) == names, f"{list(actions)}, but without --json {names}")
        check(actions["kill"]["targets"] == ["node", "module"] and not actions["kill"]["for"],
              actions["kill"])
        tried = 0
        for a in actions.values():
            on = {"node": "n1", "module": "m1", "link": "l1", "relay": "relay"}[a["targets"][0]]
            need = {w["name"]: w for w in a["with"] if w["required"]}
            for w in [w for w in a["with"] if w["type"] == "number"]:
                for value, ok in ((w["max"], True), (w["max"] * 1.01 + 1e-9, False)):
                    tried += 1
                    others = {k: f"{v['max']!r}{v['unit']}" for k, v in need.items()
                              if k != w["name"] and v["type"] == "number"}
                    given = ", ".join(f"{k}: {v}" for k, v in
                                      {**others, w["name"]: f"{value!r}{w['unit']}"}.items())
                    path = home.file("r.yaml", "drill: 1\ntime: { duration: 60ms }\n"
                                     f"topology: {SRC}/topologies/rack8.yaml\ntimeline:\n  - {{ at: "
                                     f"20ms, do: {a['name']}, target: {on}, with: {{ {given} }}"
                                     f"{', for: 1ms' if a['for'] else ''} }}\n")
                    r = home.vl("drill", path, "--dry-run")
                    said = "is not in [" in r.err
                    check(said != ok, f"{a['name']} {w['name']} {value}: {r}")
        check(tried >= 8, f"{tried} limits tried")


def words():
    """--dry-run and --actions run nothing."""
    with Home() as home:
        path = home.file("d.yaml", HEAD)
        home.ok("drill", path, "--dry-run").wants(0, "heal.n3", "cut.end", "0.04 s")
        home.ok("drill", "--actions").wants(0, "kill", "short", "with r:")
        registry()
        check(not os.path.exists(home.run_root), "a run directory was made")
        home.vl("drill").wants(64, "which drill?")


# ---- bad days ---------------------------------------------------------------------------------

LONG = HEAD.replace("duration: 60ms", "duration: 20s, speed: 0.05")


def running(home, path):
    p = home.start("drill", path)
    until(lambda: [m for m in home.vl("ps", "--json").json() if m["state"] == "running"],
          "the drill runs")
    return p


def interrupted():
    """Ctrl-C ends the mesh in order and exits 130, SIGTERM 143."""
    with Home() as home:
        path = home.file("long.yaml", LONG)
        for signo, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            p = running(home, path)
            p.send_signal(signo)
            home.end(p).wants(status, "INTERRUPTED small")
            home.check_empty()


def killed():
    """A drill runner that is killed leaves no process."""
    with Home() as home:
        p = running(home, home.file("long.yaml", LONG))
        p.kill()
        p.wait()
        home.check_no_process()
        home.vl("doctor", "--fix")
        check(not home.sockets(), "doctor --fix leaves sockets")


def too_slow():
    """The watchdog: verdict error, the mesh is gone, the other drills go on."""
    with Home() as home:
        slow = home.file("slow.yaml", LONG.replace("speed: 0.05", "speed: 0.05, watchdog: 1s"))
        quick = home.file("quick.yaml", HEAD)
        r = home.vl("drill", slow, quick).wants(4, "watchdog: not finished", "PASS small")
        check("2 runs: 1 pass 1 error" in r.out, r)


def process_dies():
    """A process that dies unscripted is no failure of the plant: verdict error, named."""
    with Home() as home:
        p = running(home, home.file("long.yaml", LONG))
        look = home.vl("ps", "--json").json()[0]
        mesh = Mesh.__new__(Mesh)
        mesh.home, mesh.name, mesh.up = home, look["mesh"], {}
        mesh.signal("n2", signal.SIGKILL)
        until(lambda: "n2: SIGKILL, from outside" in read(p.vl_err), "its death is named")
        home.ok("speed", "50")
        home.end(p, 60).wants(4, "ERROR small")


if __name__ == "__main__":
    run_cases([wrong_bounds, compares, steady_state, not_judged, waits, plugs, same_bytes, sweep, shipped, broken_junit,
               registry, words, interrupted,
               killed, too_slow, process_dies])
