#!/bin/sh
# run and export: the same trace over processes and in memory, precedence of options, full disks.
# shellcheck source=tests/system/cli.sh
. "${VL_SRC:?}/tests/system/cli.sh"
tri3=$src/topologies/tri3.yaml

trace() {
	sed -n 's/^trace //p' "$out"
}

run run "$tri3" --for 50ms --out "$work/a"
is 0
talks 'records '
tail -n 1 "$out" | grep -qE '^trace [0-9a-f]{64}$' || fail 'the last line is not the trace'
a=$(trace)
run run "$tri3" --for 50ms --memory --out "$work/b" --quiet
is 0
[ "$(wc -l <"$out")" -eq 1 ] || fail '--quiet prints more than the trace'
[ "$(trace)" = "$a" ] || fail 'the trace differs in memory'
for file in "$work"/a/rec/*; do
	cmp -s "$file" "$work/b/rec/${file##*/}" || fail "${file##*/} differs in memory"
done
run run "$tri3" --for 50ms --speed 1 --no-pin --out "$work/c"
is 0
[ "$(trace)" = "$a" ] || fail 'the trace differs when paced'
run run "$tri3" --for 50ms --seed 2 --memory --out "$work/d"
[ "$(trace)" != "$a" ] || fail 'the trace does not depend on the seed'
sed 's/200W/201W/' "$tri3" >"$work/tri3.yaml"
run run "$work/tri3.yaml" --for 50ms --memory --out "$work/e"
[ "$(trace)" != "$a" ] || fail 'the trace does not depend on a load'

for file in mesh.yaml host.json result.json supervisor.log; do
	[ -e "$work/a/$file" ] || fail "no $file in the run directory"
done
cmp -s "$work/a/mesh.yaml" "$tri3" || fail 'mesh.yaml is not the topology'
/usr/bin/python3 - "$work/a" "$a" <<-END || fail 'result.json or host.json are wrong'
	import json, sys
	run, trace = sys.argv[1:]
	result, host = json.load(open(run + "/result.json")), json.load(open(run + "/host.json"))
	assert result["trace"] == trace and result["steps"] == 500, result
	assert 0 <= result["worst_residual"] <= 1e-9, result
	assert 40 < result["bus_min_v"] < result["bus_max_v"] < 50, result
	assert host["processes"] == host["exited"] == 3 and host["left"] == 0 and host["clean"], host
END

# The command line over the drill over the topology.
cat >"$work/drill.yaml" <<-END
	drill: 1
	name: cut
	topology: $tri3
	seed: 7
	time: { duration: 20ms }
	timeline:
	  - { at: 5ms, do: cut, target: l2 }
END
run run --drill "$work/drill.yaml" --memory --json
is 0
/usr/bin/python3 -c 'import json, sys; r = json.load(open(sys.argv[1])); assert (r["seed"], r["steps"], r["link_ends_opened_by_cut"]) == (7, 200, 2), r' "$out" || fail 'wrong result'
run run "$work/tri3.yaml" --drill "$work/drill.yaml" --memory --json --seed 9 --for 10ms
is 0
talks 'is used, not this one'
/usr/bin/python3 -c 'import json, sys; r = json.load(open(sys.argv[1])); assert (r["seed"], r["steps"]) == (9, 100), r' "$out" || fail 'wrong result'

# Exports: header, exact times, one row per sample, both ends included.
run export "$work/a" --signals 'node.*.v,link.l1.i' --every 10ms
is 0
[ "$(head -n 1 "$out")" = t_s,node.n1.v,node.n2.v,node.n3.v,link.l1.i ] || fail 'wrong header'
[ "$(cut -d, -f1 "$out" | tr '\n' ' ')" = 't_s 0 0.01 0.02 0.03 0.04 0.05 ' ] || fail 'wrong times'
cp "$out" "$work/table"
run export "$work/a" --signals 'node.*.v,link.l1.i' --every 10ms --out "$work/table2"
is 0
silent
cmp -s "$work/table" "$work/table2" || fail '--out differs'
run export "$work/a" --signals node.n9.v
is 64
run export "$work/a" --every 150us
is 64
run export latest --every 10ms
is 0
what='voltloom export | head'
{ timeout 60 "$vl" export "$work/a" --every 100us; echo $? >"$work/status"; } 2>"$err" | head -n 1 >"$out"
[ "$(cat "$work/status")" = 0 ] || fail "exit status $(cat "$work/status")"
# A device that is full: an error, and it is not removed. Through a link: the machine's own must not be at risk.
if [ -w /dev/full ]; then
	ln -s /dev/full "$work/full"
	run export "$work/a" --out "$work/full"
	is 4
	[ -L "$work/full" ] || fail 'removed what is no file'
fi

# A run directory that is taken, or cannot be.
run run "$tri3" --for 1ms --out "$work/a"
is 4
talks 'holds a run already'
run run "$tri3" --for 1ms --out "$tri3/x"
is 4
talks "$tri3"
run run "$tri3" --for 1ms --out /proc/x
is 4
talks /proc/x
# A file that cannot grow: the error names it.
what='voltloom run, ulimit -f'
(ulimit -f 16 && exec timeout 60 "$vl" run "$tri3" --for 50ms --memory --out "$work/small" >"$out" 2>"$err")
status=$?
is 4
talks "$work/small"

# Ctrl-C and SIGTERM end a run in order.
for signal in INT:130 TERM:143; do
	what="voltloom run, SIG${signal%:*}"
	timeout --foreground 60 "$vl" run "$tri3" --for 1000s --speed 1 --out "$work/$signal" >"$out" 2>"$err" </dev/null &
	child=$!
	until_true test -e "$work/$signal/rec/node.n1.1.frames" || fail 'does not start'
	kill -"${signal%:*}" $child
	wait $child
	status=$?
	[ "$status" -eq "${signal#*:}" ] || fail "exit status $status"
	talks 'stopped at step'
	[ -z "$(ls "$XDG_RUNTIME_DIR/vl")" ] || fail 'socket directories are left'
done

# More than any disk has: refused before anything starts.
run run "$src/topologies/ring200.yaml" --for 100000s --out "$work/big"
is 4
talks 'the recorder needs'
XDG_RUNTIME_DIR="$work/$(printf '%090d' 0)"
export XDG_RUNTIME_DIR
mkdir "$XDG_RUNTIME_DIR"
run run "$tri3" --for 1ms
is 4
talks 'too long for sockets'
finish
