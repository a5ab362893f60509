#!/bin/sh
# plan --flow, --modes, --faults, --graph and report, as a person calls them.
# shellcheck source=tests/system/cli.sh
. "${VL_SRC:?}/tests/system/cli.sh"

py() {
	/usr/bin/python3 -c "$1" "$out" "$work" >"$work/py" 2>&1 || fail "$(cat "$work/py")"
}
rack=$src/topologies/rack8.yaml

run plan "$rack" --flow
is 0
says 'single failures: 23 of 23 carried'
matches '^feed n3 .*carried$'
run plan "$rack" --flow --json
is 0
py '
import json, sys
d = json.load(open(sys.argv[1]))
p = d["power"]
out = p["loads_w"] + p["modules_w"] + p["cables_w"] + p["ports_w"]
assert abs(p["feeds_w"] - out) < 1e-5 * out, p
share = [b["loading"] for b in d["buses"] if "loading" in b]
assert max(share) - min(share) < 1e-8, share
assert len(d["single_failures"]) == 23 and all(c["carried"] for c in d["single_failures"])
'
run plan "$rack" --modes
is 0
says 'stable; slowest mode'
says 'conserved'
run plan "$rack" --modes --json
is 0
py '
import json, sys
d = json.load(open(sys.argv[1]))
assert d["stable"] and sum(m["conserved"] for m in d["modes"]) == 1
assert d["sharing_damping_per_s"] > 0
'
run plan "$rack" --faults
is 0
says '8 of 8 shorts are cleared by fuses, 8 of them selectively'
run plan "$rack" --faults --r 2Ohm --json
is 0
py '
import json, sys
d = json.load(open(sys.argv[1]))
assert d["r_ohm"] == 2 and len(d["buses"]) == 8
for b in d["buses"]:  # 24 A at most: no fuse of 150 A has a reason to trip
    assert abs(b["capacitor_peak_a"] - 24) < 0.1 and not b["cleared"], b
    assert all(k["trips"] is None for k in b["links"])
'

# Pictures: well-formed, with everything in them, nothing fetched from elsewhere.
for mesh in pair tri3 rack8 grid24 torus100; do
	run plan "$src/topologies/$mesh.yaml" --graph
	is 0
	py '
import sys, xml.etree.ElementTree as tree
text = open(sys.argv[1]).read()
assert "href" not in text and "url(" not in text and "prefers-color-scheme" in text
root = tree.fromstring(text)
ns = "{http://www.w3.org/2000/svg}"
assert root.tag == ns + "svg"
w, h = float(root.get("width")), float(root.get("height"))
for t in root.iter(ns + "text"):
    assert 0 <= float(t.get("x")) <= w and 0 <= float(t.get("y")) <= h, t.text
'
done
run plan "$rack" --graph
for id in n1 n8 m1 m10; do
	says ">$id</text>"
done
run plan "$rack" --graph --format dot
is 0
says '"n1" -> "n2"'
if command -v dot >/dev/null; then
	what='dot'
	dot -Tplain "$out" >"$work/plain" 2>"$err" || fail 'Graphviz does not take it'
fi

for args in '--flow --modes' '--format dot' '--r 1Ohm' '--faults --r 0Ohm' '--graph --json'; do
	# shellcheck disable=SC2086
	run plan "$rack" $args
	is 64
done
run plan "$src/tests/bad/topologies/link-to-itself.yaml" --flow
is 3

# report: parts add up to the ledger of the whole, also when a node died.
cat >"$work/d.yaml" <<'EOF'
drill: 1
timeline:
  - { id: k, at: 50ms, do: kill, target: n3 }
EOF
run run "$rack" --for 100ms --memory --quiet --out "$work/r1" --drill "$work/d.yaml"
is 0
run report "$work/r1" --sankey "$work/e.svg"
is 0
says 'worst residual'
run report "$work/r1" --json
is 0
py '
import json, sys
d = json.load(open(sys.argv[1]))
e, nodes, modules = d["energy"], d["nodes"], d["modules"]
total = lambda rows, key: sum(r[key] for r in rows)
scale = max(e["source_j"], 1)
for key, rows in (("source_j", nodes), ("useful_j", nodes + modules), ("loss_j", nodes + modules),
                  ("fault_j", nodes)):
    assert abs(total(rows, key) - e[key]) < 1e-9 * scale, key
assert all(0 <= l["loss_j"] < 1 for l in d["links"]) and total(d["links"], "loss_j") < total(nodes, "loss_j")
for r in nodes + modules:
    assert abs(r["residual_j"]) < 1e-9 * 1e4, r
'
what='report --sankey'
py '
import sys, xml.etree.ElementTree as tree
tree.parse(sys.argv[2] + "/e.svg")
'
run report latest
is 64
run report "$work/none"
[ "$status" -ne 0 ] || fail 'no error'
finish
