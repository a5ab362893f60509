#!/bin/sh
# The dashboard in a real terminal (tmux): golden screens at three sizes, keys, requests, resizing, a
# relay that dies, signals; and the same view as text and JSON. Screens are polled, never waited for.
set -u
src=${VL_SRC:?}
bin=${VL_BIN:?}
py=/usr/bin/python3
command -v tmux >/dev/null || { echo "SKIP: no tmux"; exit 77; }
"$py" -c 'import msgpack, zmq' 2>/dev/null || { echo "SKIP: no python3-zmq or python3-msgpack"; exit 77; }
work=$(mktemp -d "${TMPDIR:-/tmp}/tui-XXXXXX") || exit 1
dir=$work/s
mkdir "$dir"
unset NO_COLOR COLUMNS
export LC_ALL=C.UTF-8
relay='' mesh=''

tm() { tmux -S "$work/tmux" -f /dev/null "$@"; }
# shellcheck disable=SC2317,SC2329
leave() {
	tm kill-server 2>/dev/null
	for p in $mesh $relay; do kill -KILL "$p" 2>/dev/null; done
	wait 2>/dev/null
	rm -rf "$work"
}
trap leave EXIT
trap 'exit 130' INT TERM

start_relay() {
	"$bin/voltloom-relay" --dir "$dir" &
	relay=$!
}
start_mesh() {
	rm -f "$dir/fake.up"
	"$py" "$src/tests/system/fake_mesh.py" --dir "$dir" "$@" &
	mesh=$!
	n=0
	while [ ! -e "$dir/fake.up" ]; do
		n=$((n + 1))
		[ $n -lt 600 ] || fail 'the stand-in does not start'
		sleep 0.05
	done
}
screen() { tm capture-pane -p -t top; }
fail() {
	echo "FAIL: $*"
	screen
	exit 1
}
# A pattern that must show (or, with !, must not) within 15 s.
sees() {
	want=0
	[ "$1" != '!' ] || { want=1; shift; }
	n=0
	while :; do
		screen | grep -qE -e "$1"
		[ $? -ne $want ] || return 0
		n=$((n + 1))
		[ $n -lt 300 ] || fail "$([ $want = 0 ] || echo no) '$1'"
		sleep 0.05
	done
}
keys() { tm send-keys -t top "$@"; }
# top W H ARGS...: the dashboard in a window; its exit status is printed after it, with the terminal's modes.
top() {
	w=$1 h=$2
	shift 2
	tm kill-session -t top 2>/dev/null
	tm new-session -d -s keep 2>/dev/null
	tm new-session -d -s top -x "$w" -y "$h" \
		"env ${env_more:-} '$bin/voltloom-tui' --dir '$dir' $*; echo \"status \$?\"; stty -a | tr ';' '\n' | grep -w icanon; exec cat"
	tm set -t top status off >/dev/null
	tm resize-window -t top -x "$w" -y "$h"
}
rack="--topology $src/topologies/rack8.yaml"

start_relay
start_mesh

# ---- golden screens: what changes with time is masked -----------------------------------------
cat >"$work/mask" <<'PY'
import re, sys
for line in sys.stdin.read().splitlines():
    line = re.sub(r"t=[0-9:.]+", "t=#", line)
    line = re.sub(r"[0-9]+ msg.s, lost 0, bad 0", "#", line)
    print(re.sub("[\u2581-\u2587\u2800-\u28ff\u2504]", " ", line).rstrip())
PY
mask() { "$py" "$work/mask"; }
golden() {
	top "$1" "$2" "$rack"
	sees 'n8 .*-260W'
	sees '10/10 served'
	sees 'm10'
	sees 'loss 1.1W'
	screen | mask >"$work/seen"
	[ "$(wc -l <"$work/seen")" = "$2" ] || fail "$1x$2 has other than $2 rows"
	screen | "$py" -c "import sys; bad = [l for l in sys.stdin.read().split('\n') if len(l) > $1]; sys.exit(bool(bad))" ||
		fail "$1x$2: a row is too long"
	if [ -n "${VL_GOLDEN:-}" ]; then
		cp "$work/seen" "$src/tests/system/golden/tui-$1x$2.txt"
	fi
	diff "$src/tests/system/golden/tui-$1x$2.txt" "$work/seen" || fail "$1x$2 differs from its golden screen"
}
sizes='80x24 120x40 200x60'
for size in $sizes; do
	golden "${size%x*}" "${size#*x}"
done

# ---- keys and requests -------------------------------------------------------------------------
top 120 40 "$rack"
sees 'n3 +ok'
keys j j K
sees 'Kill n3 with SIGKILL'
keys Enter # the default is Cancel
sees ! 'Kill n3'
keys K
sees 'Kill n3'
keys Right Enter
sees '✗ n3 +dead'
sees 'kill n3: done'
sees '7/8 nodes'
sees '9/12 links'
sees 'link l2: peer died'
sees 'exit +SIGKILL, by request, step [0-9]+'
sees 'm5 +served +n4' # the other feed has taken over
sees 'takeover +fed by n4, epoch 2'
keys R y
sees '● n3 +ok'
sees '8/8 nodes'
keys 2 C
sees 'contactors of link l1'
keys Down y
sees 'link l2: cut'
sees 'OPEN'
keys j H y
sees '12/12 links'
keys L 2 5 0 y
sees 'load n3: done'
keys P y
sees 'paused'
keys P y
sees '● running'
keys 1 / n 7 Enter
sees 'Nodes 1 /n7'
keys Escape Escape
sees 'Nodes 8'
keys s s
sees 'Nodes 8 by V'
keys '?'
sees 'any key closes'
keys x
sees ! 'any key closes'
keys 4 z
sees ! 'Nodes'
keys z
sees 'Nodes'
keys Space
sees FROZEN
frozen=$(screen | mask)
keys Space
sees ! FROZEN
[ -n "$frozen" ] || fail 'a frozen screen is empty'

# ---- sizes --------------------------------------------------------------------------------------
tm resize-window -t top -x 80 -y 24
sees 'gen .*loss [0-9.]+W  unserved'
tm resize-window -t top -x 30 -y 5
sees 'window too small'
tm resize-window -t top -x 1 -y 1
tm resize-window -t top -x 200 -y 60
sees 'DEMAND'

# ---- the relay dies and comes back; the mesh ends -----------------------------------------------
kill -KILL "$relay"
wait "$relay" 2>/dev/null
sees 'suspect'
sees 'no data'
sees ! '48\.2'
start_relay
sees '8/8 nodes'
sees '● running'

# ---- the terminal comes back ---------------------------------------------------------------------
restored() {
	sees "status $1"
	sees '[^-]icanon|^ *icanon'
	[ "$(tm display -p -t top '#{alternate_on}')" = 0 ] || fail 'the alternate screen is still on'
	[ "$(tm display -p -t top '#{cursor_flag}')" = 1 ] || fail 'the cursor is hidden'
}
keys q
restored 0
kill -0 "$mesh" || fail 'quitting ended the mesh'
for signal in TERM:143 INT:130 HUP:129; do
	top 80 24 "$rack"
	sees '8/8 nodes'
	pid=$("$py" - "$(tm display -p -t top '#{pane_pid}')" <<'PY'
import sys
def kids(p):
    return open(f"/proc/{p}/task/{p}/children").read().split()
p = sys.argv[1]
while open(f"/proc/{p}/comm").read().strip() != "voltloom-tui":
    p = kids(p)[0]
print(p)
PY
	)
	kill -"${signal%:*}" "$pid"
	restored "${signal#*:}"
done

# ---- options ---------------------------------------------------------------------------------------
top 80 24 "$rack" --readonly
sees '8/8 nodes'
sees ! 'K kill'
keys K
sees 'read-only'
keys q
sees 'status 0'
env_more='LC_ALL=C' top 120 40 "$rack"
sees '\* running'
screen | LC_ALL=C grep -q '[^ -~]' && fail 'not ASCII with LC_ALL=C'
env_more='NO_COLOR=1' top 80 24 "$rack"
sees '8/8 nodes'
tm capture-pane -p -e -t top | "$py" -c '
import re, sys
codes = {c for m in re.findall(r"\x1b\[([0-9;]*)m", sys.stdin.read()) for c in m.split(";") if c}
sys.exit(bool(codes & {str(c) for c in [*range(30, 38), *range(40, 48), *range(90, 108), 38, 48]}))' ||
	fail 'colours with NO_COLOR'
top 80 24 # no topology: all names are learned
sees '12/12 links'
keys Q Right Enter
sees 'status 0'

# ---- text and JSON ---------------------------------------------------------------------------------
tui() { timeout 30 "$bin/voltloom-tui" "$@" </dev/null; }
# shellcheck disable=SC2086
tui --dir "$dir" $rack --once --width 120 >"$work/once" || fail '--once'
for word in '8/8 nodes' 'Links 12' 'n1 .*n8 .*[0-9]W' 'm10 .*served' 'Events'; do
	grep -qE -e "$word" "$work/once" || { cat "$work/once"; fail "--once says no '$word'"; }
done
LC_ALL=C grep -q "$(printf '\033')" "$work/once" && fail 'escape sequences in plain text'
# shellcheck disable=SC2086
tui --dir "$dir" $rack --batch -n 6 --interval 0.5 --json >"$work/json" || fail '--batch --json'
"$py" - "$work/json" <<'PY' || fail 'JSON'
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
assert len(lines) == 6, len(lines)
assert lines[-1]["t_ns"] > lines[0]["t_ns"]
for shot in lines:
    assert shot["mesh"] == "rack8" and shot["seed"] == 42 and shot["bad"] == 0
    nodes = {n["id"]: n for n in shot["nodes"]}
    flow = dict.fromkeys(nodes, 0.0)
    for link in shot["links"]:
        flow[link["a"]] += link["i_a"]
        flow[link["b"]] -= link["i_a"]
    for name, node in nodes.items():  # Kirchhoff, and the balance of every bus
        assert abs(flow[name] - node["i_a"]) < 1e-6, (name, flow[name], node)
        load = node["load_w"] + sum(m["p_w"] for m in shot["modules"] if m["owner"] == name)
        feed = (node["feed_i_a"] or 0) * node["v_v"]
        assert abs(feed - load - node["p_w"]) < 0.5, (name, feed, load, node["p_w"])
PY
tui --dir "$dir" --batch -n 1000 --interval 0.1 --json | head -n 2 >"$work/two" # a reader that leaves is no failure
[ "$(wc -l <"$work/two")" = 2 ] || fail 'two lines'
kill -TERM "$mesh"
wait "$mesh" 2>/dev/null
start_mesh --garbage
tui --dir "$dir" --batch -n 2 --json | "$py" -c '
import json, sys
shot = [json.loads(line) for line in sys.stdin][-1]
sys.exit(not (shot["bad"] > 0 and shot["nodes_up"] == 8))' || fail 'broken messages'
mkdir "$work/empty"
tui --dir "$work/empty" --once 2>"$work/err"
[ $? = 4 ] && grep -q 'does the mesh run' "$work/err" || fail 'nobody there'
tui --dir "$dir" 2>"$work/err" >/dev/null
[ $? = 4 ] && grep -q 'not a terminal' "$work/err" || fail 'no terminal'
tui --dir "$dir" --interval 0 2>"$work/err"
[ $? = 64 ] || fail '--interval 0'
tui 2>"$work/err"
[ $? = 64 ] || fail 'no --dir'
echo ok
