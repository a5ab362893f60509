# The only build of Voltloom.
#
#   make                    release build; leaves ./voltloom and its helpers runnable here
#   make MODE=debug         or release, sanitize, coverage, fuzz; objects go to build/MODE
#   make CC=clang           objects go to build/MODE-clang
#   make WERROR=            warnings stay warnings
#   make help               all targets
#
# Sources are found by folder: every .c of a folder goes into its static library, except *_main.c,
# which are the programs. A program whose main is not there is left out.

MAKEFLAGS += --no-builtin-rules --no-print-directory
.SUFFIXES:
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:

VERSION := 0.1.0

ifeq ($(origin CC),default)
CC := gcc
endif
AR ?= ar
PKG_CONFIG ?= pkg-config
PYTHON ?= /usr/bin/python3
MODE ?= release
WERROR ?= -Werror
PREFIX ?= /usr/local
JOBS ?= $(shell nproc)

MODES := debug release sanitize coverage fuzz
ifeq ($(filter $(MODE),$(MODES)),)
$(error MODE=$(MODE) is not one of: $(MODES))
endif

Q := $(if $(V),,@)
B := build/$(MODE)$(if $(findstring clang,$(CC)),-clang)

# ---- flags ------------------------------------------------------------------------------------

MODE_debug := -O0 -g3
MODE_release := -O2 -g
MODE_sanitize := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined \
	-fno-sanitize-recover=undefined
MODE_coverage := -O0 -g --coverage
MODE_fuzz := -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=undefined

# Only optimised, uninstrumented code gives gcc the ranges that these two need to be right.
ifeq ($(findstring clang,$(CC))$(filter release,$(MODE)),)
MODE_$(MODE) += -Wno-format-truncation -Wno-maybe-uninitialized
endif

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef $(WERROR)
# -ffp-contract=off: the same digits with every compiler (no fused multiply-add behind our back).
# NDEBUG is never defined: asserts stay on in release.
ALL_CFLAGS := -std=c11 -D_GNU_SOURCE -DVL_VERSION='"$(VERSION)"' -pthread -ffp-contract=off \
	-fno-strict-overflow $(WARN) $(MODE_$(MODE)) $(CFLAGS)
ALL_LDFLAGS := -pthread -Wl,--as-needed $(MODE_$(MODE)) $(CFLAGS) $(LDFLAGS)

# Which libraries a folder's code may use. libcommon.a is linked with --as-needed, so a program
# loads only what the objects it pulls in ask for.
PKGS_common := libzmq msgpack libcrypto yaml-0.1
PKGS_nodes := $(PKGS_common)
PKGS_loadmods := $(PKGS_common)
# lapacke: eigenvalues for `voltloom plan --modes`; only broker/matrix.c uses it.
PKGS_broker := $(PKGS_common) libczmq lapacke
PKGS_tui := $(PKGS_common) libczmq ncursesw
PKGS_tests := $(PKGS_common) libczmq lapacke ncursesw check

# Evaluated once per run, not once per object. $(1): flag, $(2): packages
pkg = $(if $(2),$(shell $(PKG_CONFIG) $(1) $(2)))
FOLDERS := common nodes loadmods broker tui
$(foreach f,$(FOLDERS) tests,$(eval CFLAGS_$(f) := $(call pkg,--cflags,$(PKGS_$(f)))))
$(foreach f,$(FOLDERS) tests,$(eval LIBS_$(f) := $(call pkg,--libs,$(PKGS_$(f))) -lm))

# ---- libraries and programs -------------------------------------------------------------------

MAINS := $(wildcard broker/voltloom_main.c broker/relay_main.c nodes/node_main.c \
	loadmods/module_main.c tui/tui_main.c)
lib_src = $(filter-out %_main.c,$(wildcard $(1)/*.c))
obj = $(patsubst %.c,$(B)/%.o,$(1))
lib = $(patsubst %,$(B)/lib%.a,$(1))

# name : main : folders of the libraries, in link order : folder whose packages are linked
PROGRAMS := \
	voltloom:broker/voltloom_main.c:broker,nodes,loadmods,common:broker \
	voltloom-relay:broker/relay_main.c:broker,common:broker \
	voltloom-node:nodes/node_main.c:nodes,common:common \
	voltloom-module:loadmods/module_main.c:loadmods,common:common \
	voltloom-tui:tui/tui_main.c:tui,common:tui

comma := ,
part = $(word $(2),$(subst :, ,$(1)))
BINS :=
define program
ifneq ($(wildcard $(call part,$(1),2)),)
BINS += $(call part,$(1),1)
$(B)/$(call part,$(1),1): $(call obj,$(call part,$(1),2)) \
	$(call lib,$(subst $(comma), ,$(call part,$(1),3))) $(B)/flags
	@echo "  LD   $$@"
	$(Q)$(CC) -o $$@ $$(filter %.o %.a,$$^) $(ALL_LDFLAGS) $$(LIBS_$(call part,$(1),4))
endif
endef
$(foreach p,$(PROGRAMS),$(eval $(call program,$(p))))

.PHONY: all bins links
all: links
bins: $(BINS:%=$(B)/%)

# ./voltloom and the helpers are what was built last. Programs find data in ../share/voltloom,
# seen from their own folder: the same rule in the checkout and after `make install`.
links: bins
	@for b in $(BINS); do ln -sfn $(B)/$$b $$b; done
bins: build/share/voltloom
build/share/voltloom:
	@mkdir -p $@
	@ln -sfn ../../../topologies $@/topologies
	@ln -sfn ../../../scripts/drills $@/drills

define library
$(B)/lib$(1).a: $(call obj,$(call lib_src,$(1))) $(B)/flags
	@echo "  AR   $$@"
	$(Q)rm -f $$@ && $(AR) rcs $$@ $$(filter %.o,$$^)
endef
$(foreach f,$(FOLDERS),$(eval $(call library,$(f))))

# Objects are rebuilt when the flags change, not only when sources do.
.PHONY: force
$(B)/flags: force
	@mkdir -p $(B)
	@printf '%s\n' '$(subst ','\'',$(CC) $(ALL_CFLAGS) | $(ALL_LDFLAGS))' | cmp -s - $@ || \
		printf '%s\n' '$(subst ','\'',$(CC) $(ALL_CFLAGS) | $(ALL_LDFLAGS))' > $@

# -iquote: a header of ours never hides one of the system with the same name.
INCLUDES := -iquote . -iquote common
INCLUDES_tests := $(patsubst %,-iquote %,tests/support nodes loadmods broker tui)
top = $(firstword $(subst /, ,$(1)))
# The first folder of a source decides which headers of libraries it sees.
$(B)/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	@echo "  CC   $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(INCLUDES) $(INCLUDES_$(call top,$<)) $(CFLAGS_$(call top,$<)) -MMD -MP -c -o $@ $<

-include $(shell find $(B) -name '*.d' 2>/dev/null)

# ---- tests ------------------------------------------------------------------------------------

# tests/<suite>/test_*.c: one Check program each, linked with all libraries, the other .c files of
# its folder and tests/support. tests/<suite>/test_*.sh and .py are run as they are.
SUITES := unit sim system reference
TEST_LIBS ?= broker nodes loadmods tui common
SUPPORT := $(call obj,$(wildcard tests/support/*.c))

suite_src = $(wildcard tests/$(1)/test_*.c)
suite_bin = $(patsubst %.c,$(B)/%,$(call suite_src,$(1)))
suite_script = $(wildcard tests/$(1)/test_*.sh tests/$(1)/test_*.py)
suite_helper = $(call obj,$(filter-out tests/$(1)/test_%,$(wildcard tests/$(1)/*.c)))

define suite
$(call suite_bin,$(1)): $(B)/%: $(B)/%.o $(call suite_helper,$(1)) $(SUPPORT) \
	$(call lib,$(TEST_LIBS)) $(B)/flags
	@echo "  LD   $$@"
	$(Q)$(CC) -o $$@ $$(filter %.o %.a,$$^) $(ALL_LDFLAGS) $(LIBS_tests)

.PHONY: check-$(1) tests-$(1)
tests-$(1): $(call suite_bin,$(1))
check-$(1): tests-$(1) $(if $(filter unit,$(1)),,bins) $(if $(filter system,$(1)),bench-bins)
	@$$(RUN) --suite $(1) --budget $(or $(BUDGET_$(1)),120) $(call suite_bin,$(1)) \
		$(call suite_script,$(1))
endef

# seconds on two cores
BUDGET_unit := 60
BUDGET_sim := 120
BUDGET_system := 180
BUDGET_reference := 90

# The in-memory meshes of tests need the cores; objects with a main never go into a library.
RUN = VL_BIN='$(CURDIR)/$(B)' VL_SRC='$(CURDIR)' VL_MODE=$(MODE) $(PYTHON) scripts/run-tests \
	--jobs $(JOBS) $(if $(TIMEOUT),--timeout $(TIMEOUT)) $(if $(ONLY),--only '$(ONLY)')
$(foreach s,$(SUITES),$(eval $(call suite,$(s))))

.PHONY: check tests nightly sanitize valgrind coverage fuzz fuzz-bins
tests: $(SUITES:%=tests-%)
# One runner for all suites: one closing line.
check: all tests bench-bins
	@$(RUN) $(foreach s,$(SUITES),--suite $(s) --budget $(BUDGET_$(s)) $(call suite_bin,$(s)) \
		$(call suite_script,$(s)))

nightly: all tests bench-bins
	@VL_NIGHTLY=1 $(RUN) --timeout 14400 $(foreach s,$(SUITES),--suite $(s) $(call suite_bin,$(s)) \
		$(call suite_script,$(s)))
	$(MAKE) sanitize
	$(MAKE) fuzz FUZZ_SECONDS=600

ifeq ($(MODE),sanitize)
sanitize: bins tests-unit tests-sim
	@ASAN_OPTIONS=detect_leaks=1:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1 $(RUN) \
		--timeout 600 $(foreach s,unit sim,--suite $(s) --budget 120 $(call suite_bin,$(s)))
else
sanitize:
	$(MAKE) MODE=sanitize sanitize
endif

valgrind: tests-unit
	@$(RUN) --timeout 1200 --wrap 'valgrind -q --error-exitcode=9 --leak-check=full \
		--show-leak-kinds=definite --errors-for-leak-kinds=definite' \
		--suite unit $(call suite_bin,unit)

ifeq ($(MODE),coverage)
coverage: bins tests
	find $(B) -name '*.gcda' -delete
	@$(RUN) --suite unit $(call suite_bin,unit) --suite sim $(call suite_bin,sim) \
		--suite system $(call suite_script,system)
	scripts/coverage $(B)
else
coverage:
	$(MAKE) MODE=coverage coverage
endif

# tests/fuzz/fuzz_*.c: libFuzzer targets; seeds in tests/fuzz/corpus/<name>.
FUZZ_SECONDS ?= 20
FUZZ_BINS := $(patsubst %.c,$(B)/%,$(wildcard tests/fuzz/fuzz_*.c))
$(FUZZ_BINS): $(B)/%: $(B)/%.o $(SUPPORT) $(call lib,$(TEST_LIBS)) $(B)/flags
	@echo "  LD   $@"
	$(Q)$(CC) -fsanitize=fuzzer -o $@ $(filter %.o %.a,$^) $(ALL_LDFLAGS) $(LIBS_tests)
fuzz-bins: $(FUZZ_BINS)
ifeq ($(MODE),fuzz)
fuzz: fuzz-bins
	scripts/fuzz $(FUZZ_SECONDS) $(FUZZ_BINS)
else
fuzz:
	$(MAKE) MODE=fuzz CC=clang fuzz
endif

# ---- benches and drills -----------------------------------------------------------------------

.PHONY: bench bench-bins bench-lockstep bench-accuracy bench-convergence bench-drill bench-n1 bench-overload bench-sharing drill
BENCH_BINS := $(patsubst %.c,$(B)/%,$(wildcard tests/bench/*.c))
$(filter-out %/bare_exchange,$(BENCH_BINS)): $(B)/%: $(B)/%.o $(SUPPORT) \
	$(call lib,$(TEST_LIBS)) $(B)/flags
	@echo "  LD   $@"
	$(Q)$(CC) -o $@ $(filter %.o %.a,$^) $(ALL_LDFLAGS) $(LIBS_tests)
# No line of Voltloom goes into the program that Voltloom is measured against.
$(B)/tests/bench/bare_exchange: $(B)/tests/bench/bare_exchange.o $(B)/flags
	@echo "  LD   $@"
	$(Q)$(CC) -o $@ $(filter %.o,$^) $(ALL_LDFLAGS) $(call pkg,--libs,libzmq)
bench-bins: $(BENCH_BINS)

BENCH = VL_BIN='$(CURDIR)/$(B)' VL_SRC='$(CURDIR)' $(PYTHON)
bench: bench-lockstep bench-accuracy bench-convergence bench-drill bench-n1 bench-overload bench-sharing
bench-lockstep: bins bench-bins
	$(BENCH) tests/bench/lockstep.py --out docs/bench-lockstep.md $(BENCH_ARGS)
bench-accuracy: bins bench-bins tests-reference
	$(BENCH) tests/bench/accuracy.py --out docs/bench-accuracy.md $(BENCH_ARGS)

bench-convergence: bins
	$(BENCH) tests/bench/convergence.py --out docs/bench-convergence.md $(BENCH_ARGS)
bench-drill: bins bench-bins
	$(BENCH) tests/bench/drill.py --out docs/bench-drill.md $(BENCH_ARGS)
bench-overload: bench-bins
	$(BENCH) tests/bench/overload.py --out docs/bench-overload.md $(BENCH_ARGS)
bench-sharing: bench-bins
	$(BENCH) tests/bench/sharing.py --out docs/bench-sharing.md $(BENCH_ARGS)
bench-n1: bins
	$(BENCH) tests/bench/n1.py --voltloom $(B)/voltloom --out docs/bench-n1.md $(BENCH_ARGS)

drill: all
	@for d in scripts/drills/*.yaml; do ./voltloom drill "$$d" || exit; done

# ---- source hygiene ---------------------------------------------------------------------------

.PHONY: format lint compile_commands.json
C_FILES := $(wildcard $(FOLDERS:%=%/*.[ch]) tests/*/*.[ch])
format:
	clang-format -i $(C_FILES)
lint: compile_commands.json
	scripts/check-includes
	clang-format --dry-run --Werror $(C_FILES)
	cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr -I. -Icommon \
		--enable=warning,portability --suppress=missingIncludeSystem $(filter %.c,$(C_FILES))
	clang-tidy --quiet -p . $(filter %.c,$(C_FILES))

compile_commands.json:
	@$(PYTHON) scripts/compile-commands $@ $(foreach c,$(filter %.c,$(C_FILES)),$(c) \
		'$(subst ','\'',$(CC) $(ALL_CFLAGS) $(INCLUDES) $(INCLUDES_$(call top,$(c))) $(CFLAGS_$(call top,$(c))))')

# ---- install, dist, clean ---------------------------------------------------------------------

.PHONY: install uninstall dist clean help
BINDIR := $(DESTDIR)$(PREFIX)/bin
LIBEXECDIR := $(DESTDIR)$(PREFIX)/libexec/voltloom
DATADIR := $(DESTDIR)$(PREFIX)/share/voltloom
MANDIR := $(DESTDIR)$(PREFIX)/share/man/man1
# voltloom.1 is printed by the program itself, from the table of verbs.
MANS := $(wildcard docs/man/*.1)

install: bins
	install -d $(BINDIR) $(LIBEXECDIR) $(DATADIR)/topologies $(DATADIR)/drills $(MANDIR)
	$(if $(filter voltloom,$(BINS)),install -m 755 $(B)/voltloom $(BINDIR))
	$(foreach b,$(filter-out voltloom,$(BINS)),install -m 755 $(B)/$(b) $(LIBEXECDIR) &&) true
	$(foreach t,$(wildcard topologies/*.yaml),install -m 644 $(t) $(DATADIR)/topologies &&) true
	$(foreach d,$(wildcard scripts/drills/*.yaml),install -m 644 $(d) $(DATADIR)/drills &&) true
	$(if $(filter voltloom,$(BINS)),$(B)/voltloom help --man > $(B)/voltloom.1 && \
		install -m 644 $(B)/voltloom.1 $(MANDIR))
	$(foreach m,$(MANS),install -m 644 $(m) $(MANDIR) &&) true

uninstall:
	rm -f $(BINDIR)/voltloom $(MANDIR)/voltloom.1 $(MANS:docs/man/%=$(MANDIR)/%)
	rm -rf $(LIBEXECDIR) $(DATADIR)

dist:
	@mkdir -p build
	git archive --prefix=voltloom-$(VERSION)/ -o build/voltloom-$(VERSION).tar.gz HEAD
	@echo build/voltloom-$(VERSION).tar.gz

clean:
	rm -rf build compile_commands.json $(foreach p,$(PROGRAMS),$(call part,$(p),1))

help:
	@echo 'build:    all (default) bins tests; MODE=debug|release|sanitize|coverage CC=gcc|clang V=1 WERROR='
	@echo 'test:     check check-unit check-sim check-system check-reference   ONLY=word JOBS=n TIMEOUT=s'
	@echo '          sanitize valgrind coverage fuzz nightly'
	@echo '          one test, its folder only: make TEST_LIBS=common build/release/tests/unit/test_x'
	@echo 'measure:  bench bench-lockstep bench-accuracy bench-convergence bench-drill bench-n1 bench-overload bench-sharing'
	@echo 'drills:   drill'
	@echo 'source:   format lint compile_commands.json'
	@echo 'deliver:  install uninstall dist (PREFIX=/usr/local DESTDIR=)'
	@echo '          clean help'
