#!/bin/sh
# A mesh in the background: the verbs that look at it, act on it and stop it, and what is left afterwards.
# run-tests: serial
# shellcheck source=tests/system/cli.sh
. "${VL_SRC:?}/tests/system/cli.sh"

json() { # JSON on stdout satisfies a Python expression over r
	/usr/bin/python3 -c "import json, sys; r = json.loads(open(sys.argv[1]).readline()); assert $1, r" "$out" ||
		fail "not so: $1"
}
pids() {
	"$vl" ps --json "$@" 2>/dev/null | /usr/bin/python3 -c 'import json, sys
r = json.loads(sys.stdin.readline())
print(r["pid"], *[p["pid"] for p in r["processes"]])'
}

run up --demo --detach
is 0
matches '^rack8: 8 nodes, 12 links, 10 modules, seed 42: 18/18 ready, bus [0-9.]+\.\.[0-9.]+ V, up in [0-9.]+ s$'
talks 'voltloom top'
run up --demo --detach
is 4
talks 'running already'

run ps --json
is 0
json 'len(r["processes"]) == 18 and r["seed"] == 42'
run ps
is 0
says m10
run top --once
is 0
says n8

# Names.
run kill n9
is 64
talks 'rack8 has no node or module'
run kill l1
is 64
talks "'l1' is a link"
run cut n1
is 64
run kill m33
talks "did you mean 'm3'?"
run kill n1 --mesh rack9
is 64
talks "did you mean 'rack8'?"

# Electrical things.
run cut l1
is 0
talks 'l1: open at step'
run heal l1
is 0
run load n4 200W --ramp 1ms
is 0
run short n4 --r 500mOhm --for 1ms
is 0
run events --json
is 0
json '"k" in r or "step" in r or "t_ns" in r'
says link.open
run events 'link.open link=l1'
is 0
[ "$(wc -l <"$out")" -eq 2 ] || fail 'l1 did not open at both its ends'

# A death, seen in plant time.
run kill n3 --wait restored
is 0
matches '^  \+[0-9.]+ +ms  link\.open  l[0-9]+ \(n[0-9]\)'
matches '^  \+[0-9.]+ +ms  restored   bus [0-9.]+\.\.[0-9.]+ V, minimum [0-9.]+ V \(n[0-9]\), unserved [0-9.e+-]+ J$'
run kill n3
is 64
talks dead
run logs
is 0
says 'n3: SIGKILL, by hand'
run logs n4
is 0
run start n3
is 0
run ps --json
json '[p["incarnation"] for p in r["processes"] if p["id"] == "n3"] == [2]'

# The clock.
run pause
is 0
run ps --json --meshes
json 'r["state"] == "paused"'
run step 3
is 0
run pause
is 64
run resume
is 0
run speed 0.5
is 0

# The relay may die at any time.
run kill relay
is 0
run ps --json
is 0

# A second one beside it.
run up "$src/topologies/pair.yaml" --detach --name second --json
is 0
json 'r["mesh"] == "second" and r["ready"] == r["total"]'
run pause
is 64
talks '2 meshes fit'
all="$(pids --mesh second) $(pids --mesh rack8)"
run down --mesh second
is 0
matches '^second stopped: [0-9]+/[0-9]+ exited, 0 left behind$'
run export latest --signals 'node.*.v' --every 1ms
is 0
run down
is 0
[ "$(cat "$out")" = 'rack8 stopped: 18/18 exited, 0 left behind' ] || fail 'wrong line'
no_process "$all" || fail 'processes are left'
[ -z "$(ls "$XDG_RUNTIME_DIR/vl")" ] || fail 'socket directories are left'

# A supervisor that is killed takes its processes with it; the next up tidies.
run up "$src/topologies/pair.yaml" --detach
is 0
all=$(pids)
kill -KILL "${all%% *}"
what='after SIGKILL of the supervisor'
until_true no_process "$all" || fail 'processes are left'
[ -n "$(ls "$XDG_RUNTIME_DIR/vl")" ] || fail 'nothing to tidy'
run doctor
is 0
says 'stale socket director'
run up "$src/topologies/pair.yaml" --detach
is 0
talks 'removed 1 socket directory'

# A supervisor that hangs is ended by force.
all=$(pids)
kill -STOP "${all%% *}"
run down --timeout 300ms
is 0
says 'by force'
no_process "$all" || fail 'processes are left'
[ -z "$(ls "$XDG_RUNTIME_DIR/vl")" ] || fail 'socket directories are left'

# In the foreground: Ctrl-C stops in order.
what='voltloom up, SIGINT'
"$vl" up "$src/topologies/pair.yaml" >"$out" 2>"$err" </dev/null &
child=$!
until_true grep -q ready "$err" || fail 'not ready'
kill -INT $child
wait $child
status=$?
is 130
talks '0 left behind'
[ -z "$(ls "$XDG_RUNTIME_DIR/vl")" ] || fail 'socket directories are left'
run doctor --fix
is 0
finish
