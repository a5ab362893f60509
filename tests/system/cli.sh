# For tests of the command line: sourced, not run. Counts checks; `finish` is the last line of a test.
# Needs VL_BIN (folder of the programs) and VL_SRC (the checkout), as scripts/run-tests sets them.
# shellcheck shell=sh disable=SC2034
set -u
vl=${VL_BIN:?}/voltloom
src=${VL_SRC:?}
work=$(mktemp -d "${TMPDIR:-/tmp}/cli-XXXXXX") || exit 1
export XDG_STATE_HOME="$work/state"
# Both places where meshes are looked for are this test's own: it must neither see nor stop others.
export XDG_RUNTIME_DIR="$work/r" TMPDIR="$work"
mkdir -p "$XDG_RUNTIME_DIR" || exit 1
out=$work/out
err=$work/err
failed=0
status=0

leave() {
	XDG_RUNTIME_DIR="$work/r" TMPDIR="$work" "$vl" down --all >/dev/null 2>&1
	rm -rf "$work"
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# run ARGS...: voltloom ARGS, bounded; its exit status goes to $status
run() {
	what="voltloom $*"
	timeout 60 "$vl" "$@" >"$out" 2>"$err" </dev/null
	status=$?
}

fail() {
	failed=$((failed + 1))
	printf 'FAILED: %s: %s\n--- stdout\n' "$what" "$*"
	head -c 3000 "$out"
	printf -- '--- stderr\n'
	head -c 3000 "$err"
}

is() { # expected exit status
	[ "$status" -eq "$1" ] || fail "exit status $status, wanted $1"
}
says() { # on stdout
	grep -qF -- "$1" "$out" || fail "stdout does not say '$1'"
}
matches() { # extended regular expression on stdout
	grep -qE -- "$1" "$out" || fail "stdout does not match '$1'"
}
talks() { # on stderr
	grep -qF -- "$1" "$err" || fail "stderr does not say '$1'"
}
silent() {
	[ ! -s "$out" ] || fail "stdout is not empty"
}

# Waits, bounded, until a command succeeds.
until_true() {
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		[ $tries -lt 400 ] || return 1
		# 25 ms by a read that nobody answers: there is no portable shorter sleep
		timeout 0.025 tail -f /dev/null
	done
	return 0 # not the status of the loop's last command
}

# Nothing of these pids runs any more; a zombie that nobody reaps has ended.
no_process() {
	for pid in $1; do
		state=$(sed 's/.*) //; s/ .*//' "/proc/$pid/stat" 2>/dev/null)
		[ -z "$state" ] || [ "$state" = Z ] || return 1
	done
}

finish() {
	[ $failed -eq 0 ] || exit 1
	exit 0
}
