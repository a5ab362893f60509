#!/bin/sh
# Words of the command line: help, wrong arguments, exit statuses, streams.
# shellcheck source=tests/system/cli.sh
: "${VL_SRC:=$(cd "$(dirname "$0")/../.." && pwd)}" "${VL_BIN:=$VL_SRC/build/release}"
export VL_SRC VL_BIN
. "$VL_SRC/tests/system/cli.sh"

run
is 64
says 'voltloom up --demo'
run help
is 0
for verb in init validate plan up down ps top logs events kill stop cont start cut heal close degrade load short \
	pause resume step speed run export report doctor completion help version; do
	grep -qE "^  $verb " "$out" || fail "no verb $verb"
done
# What comes later is not promised.
for verb in replay diff plug agents bench; do
	! grep -qE "^  $verb " "$out" || fail "verb $verb"
done

# Every verb: examples first, every option has a line.
for verb in $("$vl" help | sed -n 's/^  \([a-z]*\)  .*/\1/p'); do
	[ "$verb" != top ] || continue # the dashboard prints its own
	run "$verb" --help
	is 0
	[ "$(head -n 1 "$out")" = Examples: ] || fail 'examples do not come first'
	says "Usage: voltloom $verb"
	cp "$out" "$work/help"
	run help "$verb"
	cmp -s "$out" "$work/help" || fail 'differs from --help'
done

run kil
is 64
silent
talks "did you mean 'voltloom kill'?"
run help evnts
is 64
talks "did you mean 'events'?"
run up --dmeo
is 64
talks "did you mean '--demo'?"
run up
is 64
run up --demo "$src/topologies/pair.yaml"
is 64
run up --demo --speed max
is 64
run up --demo --name 'a b'
is 64
run up --demo --seed -1
is 64
run run "$src/topologies/pair.yaml"
is 64
talks '--for is missing'
run run "$src/topologies/pair.yaml" --for 600
is 64
run run "$src/topologies/pair.yaml" --for 150us
is 64
talks 'not a whole number of steps'
run run "$src/topologies/pair.yaml" --for 0s
is 64
run load n1 5V
is 64
run load n1 -- -5W
is 64
run short n1 --r 0Ohm --for 1ms
is 64
run short n1 --r 1Ohm
is 64
talks '--for is missing'
run kill n1 --wait forever
is 64
run export latest --format xml
is 64
run completion tcsh
is 64
for args in 'ps x' 'version 1' 'step x' 'speed' 'kill' 'cut' 'top --mesh'; do
	# shellcheck disable=SC2086
	run $args
	is 64
done

# Nothing runs here.
for args in down 'kill n1' 'pause' 'events' 'logs' 'top --once' 'speed 1'; do
	# shellcheck disable=SC2086
	run $args
	is 4
	talks 'no mesh is running'
done
run ps
is 0
silent
run down --all
is 0
run export latest
is 64
run events --run "$work/none"
[ "$status" -ne 0 ] || fail 'no error'

# Files.
run validate "$src"/topologies/*.yaml
is 0
run validate "$work/missing.yaml"
is 3
printf 'voltloom: 1\nmesh: { nmae: x }\n' >"$work/bad.yaml"
run validate "$work/bad.yaml"
is 3
says "$work/bad.yaml:2:9: error:"
says "did you mean 'name'?"
run validate --format github "$work/bad.yaml"
is 3
says '::error file='
run validate --format json "$work/bad.yaml" "$src/topologies/pair.yaml"
is 3
/usr/bin/python3 -c 'import json, sys; [json.loads(l) for l in open(sys.argv[1])]' "$out" || fail 'not JSON'
run up "$work/bad.yaml" --detach
is 3
run run "$work/missing.yaml" --for 1ms
is 3
run run "$src/topologies/pair.yaml" --for 1ms --drill "$work/missing.yaml"
is 3
run plan "$src/topologies/rack8.yaml"
is 0
run plan "$src/topologies/rack8.yaml" --json
is 0
/usr/bin/python3 -m json.tool "$out" >/dev/null || fail 'not JSON'

cd "$work" || exit 1
run init first
is 0
run validate first.yaml
is 0
run init first
is 4
talks 'left as it is'
run init 1st
is 64
run run first.yaml --for 20ms --memory --quiet
is 0

# Streams: what nobody reads is no error, what cannot be written is one.
what='voltloom help | true'
{ timeout 60 "$vl" help; echo $? >"$work/status"; } 2>"$err" | true
[ "$(cat "$work/status")" = 0 ] || fail "exit status $(cat "$work/status")"
if [ -w /dev/full ]; then
	what='voltloom help >/dev/full'
	timeout 60 "$vl" help >/dev/full 2>"$err"
	status=$?
	is 4
	talks 'cannot write to stdout'
fi
NO_COLOR='' TERM=dumb run kil
! grep -q "$(printf '\033')" "$err" || fail 'escape sequences'

# Made from the table of verbs.
run help --man
cmp -s "$out" "$src/docs/man/voltloom.1" || fail 'docs/man/voltloom.1 is old: voltloom help --man >docs/man/voltloom.1'
run help exit-codes
while read -r code text; do
	grep -qF "| $code | $text |" "$src/docs/exit-codes.md" || fail "docs/exit-codes.md has no line for $code"
done <<-END
	$(sed -n 's/^ *\([0-9][0-9]*\)  /\1 /p' "$out")
END
run completion bash
is 0
if command -v bash >/dev/null; then
	words=$(bash -c '. "$1"; COMP_WORDS=(voltloom ki); COMP_CWORD=1; _voltloom; echo "${COMPREPLY[@]}"' - "$out")
	[ "$words" = kill ] || fail "completes 'ki' to '$words'"
	words=$(bash -c '. "$1"; COMP_WORDS=(voltloom up --de); COMP_CWORD=2; _voltloom; echo "${COMPREPLY[@]}"' - "$out")
	[ "$words" = '--demo --detach' ] || fail "completes 'up --de' to '$words'"
fi
run completion fish
is 0
run version --json
is 0
/usr/bin/python3 -m json.tool "$out" >/dev/null || fail 'not JSON'
run doctor --json
is 0
/usr/bin/python3 -c 'import json, sys; [json.loads(l) for l in open(sys.argv[1])]' "$out" || fail 'not JSON'
finish
