/* The words of docs/drills.md around its tables. */
#include <stdio.h>

#include "script_build.h"

void
script_print_preface(FILE *f)
{
	fputs("# Drill files\n"
	      "\n"
	      "A drill is a mesh, a timeline of faults, and what has to hold meanwhile. `voltloom "
	      "drill FILE` runs it\n"
	      "and gives a verdict; `voltloom run TOPOLOGY --drill FILE --for 2s` plays the "
	      "timeline alone.\n"
	      "\n"
	      "    drill: 1\n"
	      "    name: kill-n3\n"
	      "    topology: ../../topologies/rack8.yaml\n"
	      "    params: { vmin: 45V }\n"
	      "    time: { duration: 2s, settle: 500ms }\n"
	      "    steady_state:\n"
	      "      - { id: bus-ok, expr: \"min(node.*.v) >= 46V and max(node.*.v) <= 49.5V\" }\n"
	      "    timeline:\n"
	      "      - { id: kill, at: 600ms, do: kill, target: n3 }\n"
	      "    expect:\n"
	      "      - { id: bus-holds, always: \"min(node.*.v) >= ${vmin}\", from: kill }\n"
	      "      - { id: link-opens, event: \"link.open link=l3 cause=death\", after: kill, "
	      "within: 1ms }\n"
	      "\n"
	      "YAML 1.1. All times are plant time from step 0, in whole nanoseconds. An action at "
	      "t acts from step\n"
	      "floor(t/T) on; a `start` (and a `cont`) is rounded up to a port step. For a `kill`, "
	      "that step is each\n"
	      "neighbour's first one with the link open. `${name}` takes the value from `--param`, "
	      "`params` or\n"
	      "`matrix`, in this order.\n"
	      "\n",
	      f);
}

void
script_print_meaning(FILE *f)
{
	fputs("## From a run to a drill\n"
	      "\n"
	      "`voltloom drill --from RUN -o FILE` writes a drill with what was done in a run: "
	      "commands, kills and hangs\n"
	      "by hand, starts, and the timeline it had. It plays the file in memory and says "
	      "whether the trace is the\n"
	      "same. A death that nobody scripted reaches each neighbour at another step: "
	      "`last_sent` of its `kill` says\n"
	      "the last step that each link and port got from it. Pauses, speeds and hangs that "
	      "ended in time leave\n"
	      "nothing, for they change nothing in the plant. Refused: a run that goes on or did "
	      "not end in order, a\n"
	      "death in the middle of recording a step, and values above what a drill may say.\n"
	      "\n"
	      "`voltloom do ACTION TARGET [key=value ...]` does by hand what an action of a "
	      "timeline does, and `--end`\n"
	      "ends it (`end: true` in the file). By hand one may also do what does nothing, "
	      "like a second `heal`;\n"
	      "`replay:` in the file lets that through, and names the links whose frames that "
	      "run counted. A command\n"
	      "is proved by the word of whoever lives at its target.\n"
	      "\n",
	      f);
	fputs("## Searching for a weakness\n"
	      "\n"
	      "`voltloom drill --search FILE [--budget N | --time T] [--seeds A..B] [--jobs N] [-o "
	      "FOUND]` looks for a\n"
	      "timeline, or a seed, that breaks an expectation. It moves the actions of the file, "
	      "makes them shorter or\n"
	      "smaller, and adds kills, starts, cuts and actions like those of the file, aimed "
	      "elsewhere. Its bounds are\n"
	      "in the file: `blast_radius` with `max_nodes_down` (without it as many nodes as the "
	      "timeline takes down, and\n"
	      "one at least; said, and written into the finding) and `protect`, and no value or "
	      "duration above that of the\n"
	      "file. Timelines that show something new (an event of a kind at a "
	      "process that had\n"
	      "none, a lower bus) are the ground for the next ones. What is found is shrunk while "
	      "the same expectation\n"
	      "fails: entries away, times to rounder ones, durations and values smaller; each is "
	      "played a little longer\n"
	      "than the one before took to fail, and what is left in the end is judged whole. "
	      "Entries that expectations\n"
	      "speak of stay. It becomes a drill of its own with the line that reproduces it, and "
	      "the exit status is 1;\n"
	      "0 when nothing was found. The search depends on its own seed (`--search-seed`), "
	      "not on `--jobs`. Actions\n"
	      "that wait keep their condition and are rehearsed anew in every timeline.\n"
	      "\n",
	      f);
	fputs("## Actions that wait\n"
	      "\n"
	      "    - { id: kill, at: when min(node.*.v) < 46V, after: surge, within: 200ms, do: "
	      "kill, "
	      "target: n3 }\n"
	      "\n"
	      "`when` takes a condition, or an event (`when joined subject=n3`). It is looked at "
	      "from "
	      "`after` on (a time\n"
	      "or an action; without it from the end of the steady state), for the time `within`, "
	      "in "
	      "every frame, whose\n"
	      "whole interval has to hold. The action acts one step after the first frame that "
	      "shows "
	      "it: in step k + 1 for\n"
	      "frame k; an event of step k is seen with frame k + 1. Other actions and windows may "
	      "refer to it like to any\n"
	      "other. A condition that does not come makes the verdict inconclusive: the fault, "
	      "and "
	      "what counts on it,\n"
	      "did not fire.\n"
	      "\n"
	      "The times come from rehearsals in memory, one for each condition that holds and "
	      "seed; "
	      "then the drill is run\n"
	      "with them, with real processes or in memory. So nobody watches the processes while "
	      "they run, and the trace\n"
	      "is that of the same timeline with the times written down. In the run itself the "
	      "condition is looked at again:\n"
	      "it has to come in the same frame.\n"
	      "\n"
	      "## Conditions and figures\n"
	      "\n"
	      "Numbers with units (`45V`, `5%`, `20ms`), signals (`node.n1.v`), `+ - * /`, "
	      "brackets, `< <= > >= == !=`,\n"
	      "`and`, `or`, `not`, `abs()`, and the folds `min() max() mean() sum() spread()`. A "
	      "signal with `*` stands\n"
	      "for several and must be inside a fold; spread is (max - min)/mean. Operators have "
	      "spaces around them.\n"
	      "Quantities are checked: volts are not compared with amperes.\n"
	      "\n"
	      "Signals: `node.<id>.v v_min v_max v_sc loading`, `feed.<node>.i loading share state`, "
	      "`link.<id>.i i_avg open`,\n"
	      "`link.<id>.frames_sent frames_delivered frames_lost frames_doubled frames_corrupt "
	      "frames_late\n"
	      "frames_pending frames_flood frames_wait adjacent.<node>` (what that end receives, of links "
	      "with a\n"
	      "`channel:` or a channel action in the timeline; counters are cumulative over its life),\n"
	      "`module.<id>.v_in v i p owner served phase throughput errors temp i_in.<node>`, "
	      "`conv.<node>.vo i p`,\n"
	      "`mesh.energy_residual unserved_j source_j loss_j`. The mesh's are sums from step 0 "
	      "to that time.\n"
	      "\n"
	      "A feed's state is 0 where its source is gone, 1 while it controls, 2 at a limit; its "
	      "share is its\n"
	      "loading while it controls. A fold leaves out what is dead, the current of open "
	      "links, and feeds\n"
	      "whose source is gone; over nothing it "
	      "gives no sample. Every\n"
	      "frame of the flight recorder counts. The sample of frame k covers ((k-1)T, kT]: for "
	      "`node.*.v` and\n"
	      "`module.*.v_in` it is the interval of the sub-steps' extremes, otherwise the value "
	      "at the end.\n"
	      "`always` and `never` look at the worse end; `eventually`, `settles` and "
	      "`steady_state` want the whole\n"
	      "interval. A window holds the samples that lie in it entirely.\n"
	      "\n"
	      "`compare` holds a figure against that of another run of the same seed, at the same "
	      "plant time: this drill with\n"
	      "another `control`, without its `timeline` (what do the faults cost?), or another "
	      "`drill` (a path relative to\n"
	      "this file; without `until` at the end of each). It holds when the figure is at most "
	      "`max_ratio` times the\n"
	      "other; where signals are intervals, at their worse ends. The other runs are in "
	      "memory.\n"
	      "\n"
	      "    - { id: cheap, compare: mesh.loss_j, against: { control: droop }, max_ratio: "
	      "1.1 "
	      "}\n"
	      "\n"
	      "## Windows\n"
	      "\n"
	      "`from` and `after` (the same) begin it: a time, an action (`kill`, `kill + 5ms`, "
	      "the end of a lease is\n"
	      "`<id>.end`), or the first match of an event (`joined subject=n3`). An action's time "
	      "is the begin of the\n"
	      "step in which it acts. `until`, `within` or `for` ends it; without them it ends "
	      "with the duration.\n"
	      "`settles` wants the condition to begin within the window and to go on for `hold`, "
	      "or to the end.\n"
	      "\n"
	      "An event is a name and words `key=value` or `key!=value`, as `voltloom events` "
	      "prints them; `subject` is\n"
	      "also the process that tells it.\n"
	      "\n"
	      "## Channel\n"
	      "\n"
	      "`degrade`, `corrupt`, `duplicate`, `reorder` and `flood` change what the control frames of a "
	      "link meet\n"
	      "(docs/models/channel.md), in both directions, or with `toward:` only in what that node "
	      "receives. A node\n"
	      "as target means all its links that do not start open. What is not named stays; at the end "
	      "of the lease\n"
	      "the link's own values are back. Different kinds may overlap on a link; two of one kind may "
	      "not.\n"
	      "\n"
	      "`cut` opens the contactors and silences the channel, `only: power` or `only: channel` does "
	      "one of the two.\n"
	      "A `cut` of a node and a `partition` pass over what is cut already. Where such cuts overlap, "
	      "the link heals\n"
	      "when the last lease has ended, and not while a cut without a lease lasts; an explicit "
	      "`heal` or `close`\n"
	      "ends them all. A `partition` is carried out, proved and reported as the `cut`s that it is "
	      "made of.\n"
	      "\n"
	      "## Healing and the steady state\n"
	      "\n"
	      "In the step after the duration everything that the timeline left broken is healed: "
	      "leases end, cut links\n"
	      "close, what is down is started, loads go back to their curve. Then the mesh runs on "
	      "for `recover`. The\n"
	      "steady state is looked at after `settle`, before the first action, and again at the "
	      "very end.\n"
	      "`expect` looks at the time up to the duration only, `abort_if` at all of it.\n"
	      "\n"
	      "## Verdicts\n"
	      "\n"
	      "| exit | verdict | when |\n"
	      "|---|---|---|\n"
	      "| 0 | pass | every fault proved, every bound held, the steady state was there "
	      "before and after |\n"
	      "| 1 | fail | a bound, an event or the steady state was violated |\n"
	      "| 2 | inconclusive | a fault did not fire, a bound had no sample, the drill ended "
	      "before a window |\n"
	      "| 3 | invalid | a bad file |\n"
	      "| 4 | error | a process failed, the watchdog, the energy does not add up |\n"
	      "| 5 | aborted | `abort_if` held in some part of some sample |\n"
	      "| 130, 143 | interrupted | by SIGINT or SIGTERM; the mesh was ended in order |\n"
	      "\n"
	      "A fault is proved by the recorder: a `kill` by the last frame and the `park` event, "
	      "a `start` by\n"
	      "`joined`, a `cut` by both ends opening in that very step, a `heal` by both ends "
	      "closing, the others by\n"
	      "`fault.fired` with the value that was asked for. A fault of a channel also wants a frame "
	      "that went\n"
	      "through the channel while it was there; that one was lost or damaged is not asked for, as a "
	      "share of 1 %\n"
	      "may well spare all of ten frames, but the counts are in the evidence. `eventually` that held in every "
	      "sample of its window is\n"
	      "called vacuous, and fails under `--strict`.\n"
	      "\n"
	      "The run directory holds `result.json` (docs/result.schema.json), `junit.xml`, "
	      "`report.html`,\n"
	      "`host.json` and the recorder. `result.json` and `report.html` hold plant facts "
	      "only: the same bytes for\n"
	      "the same seed, over processes and in memory, with any `--jobs`.\n",
	      f);
}

/* "`level`: new level; `ramp`: time to reach it (0s)" */
static void
print_param(FILE *f, const struct field *w)
{
	fprintf(f, "%s%s%s%s", w->doc, w->dflt ? " (" : "", w->dflt ? w->dflt : "",
	        w->dflt ? ")" : "");
}

void
script_print_reference(FILE *f)
{
	fputs("| action | on | parameters (`with:`) | `for:` | what it does "
	      "|\n|---|---|---|---|---|\n",
	      f);
	for (size_t i = 0; i < SCRIPT_KINDS_; i++) {
		const struct action *r = &action_table[i];
		const struct schema *with = action_params[i].with;
		fprintf(f, "| `%s` |%s%s%s | ", r->name, r->on & ON_LINK ? " link" : "",
		        r->on & ON_NODE ? " node" : "",
		        r->on & ON_MODULE   ? " module"
		        : r->on == ON_RELAY ? " relay"
		                            : "");
		for (size_t j = 0; j < with->n; j++) {
			if (with->fields[j].effect != EFFECT_ACTS)
				continue;
			fprintf(f, "%s`%s`: ", j ? "; " : "", with->fields[j].key);
			print_param(f, &with->fields[j]);
		}
		fprintf(f, " | %s | %s |\n", r->may_last ? "yes" : "", r->doc);
	}
}

void
script_print_actions(FILE *f)
{
	for (size_t i = 0; i < SCRIPT_KINDS_; i++) {
		const struct action *r = &action_table[i];
		const struct schema *with = action_params[i].with;
		fprintf(f, "%-6s %-12s %s%s\n", r->name,
		        r->on == ON_NODE     ? "node"
		        : r->on == ON_RELAY  ? "relay"
		        : r->on == ON_MODULE ? "module"
		        : r->on == ON_LINK   ? "link"
		        : r->on & ON_LINK    ? "link, node"
		                             : "node, module",
		        r->doc, r->may_last ? "; may have for:" : "");
		for (size_t j = 0; j < with->n; j++) {
			if (with->fields[j].effect != EFFECT_ACTS)
				continue;
			fprintf(f, "         with %s: ", with->fields[j].key);
			print_param(f, &with->fields[j]);
			fputc('\n', f);
		}
	}
}
