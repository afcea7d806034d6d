# SPDX-License-Identifier: GPL-2.0
#
# mini_pipe's front door; `make help` lists the verbs. What kbuild needs is in Kbuild.

SHELL := /bin/bash
.DEFAULT_GOAL := all

# For the module: the running kernel if it can build Rust modules, else the virtual machine's.
ifeq ($(KDIR)$(KERNEL),)
KDIR := $(shell scripts/kdir.sh find)
endif

# For the virtual machine: its kernel directory, and what is built for it.
VM_KERNEL := $(shell KERNEL='$(KERNEL)' scripts/kernel.sh path)
VM_BUILD := build/$(notdir $(VM_KERNEL))
VM_MODULE := $(VM_BUILD)/mini_pipe.ko
TESTS := build/tests
TOOLBOX := scripts/toolbox.sh run
KBUILD := scripts/kernel.sh kbuild M=$(CURDIR)

# A $ in a command is the command's, not make's.
override RUN := $(value RUN)
export ADD CPUS DURATION INSTRUMENTS KERNEL LOAD LOG MUTANTS QUICK RECORD REPEAT RUN RUNS SEED SEQUENCES TIMEOUT TOOLS

help:
	@echo 'mini_pipe: a pipe as a misc character device, in Rust'
	@echo
	@echo '  make demo     sets up what is missing, boots a virtual machine, shows the pipe at work'
	@echo '  make test     the same set-up, then the whole test suite; ends with "N passed, N failed"'
	@echo '  make test-debug   the same, and more, on a kernel that watches (KASAN, lockdep, kmemleak, faults)'
	@echo '  make test-dropin  programs made for pipe(2) on mini_pipes: shells, make, stress-ng, hackbench'
	@echo '  make          builds mini_pipe.ko for the running kernel if it can, else for the virtual machine'
	@echo '  make KDIR=DIR builds mini_pipe.ko for the kernel whose build directory is DIR'
	@echo '  make modules_install KDIR=DIR   installs that'
	@echo '  make vm       a shell in the virtual machine, with the module loaded'
	@echo '  make vm RUN="cmd" ADD="file dir ..."   runs one command there, with those files; fails if it does'
	@echo '  make check    rustfmt, clippy, checkpatch and shellcheck'
	@echo '  make verify   checks a model of the waking with Spin, in all its states'
	@echo '  make soak     many processes at the device for DURATION seconds, every byte accounted for'
	@echo '  make bench    mini_pipe beside pipe(2) and others, in tables and charts; QUICK=1 for three minutes of it'
	@echo '  make guard    fails if a message costs more instructions than recorded; RECORD=1 records them'
	@echo '  make mutants  breaks the module in several ways, and shows which tests notice each'
	@echo '  make logs     writes tests/logs anew, from a real run'
	@echo '  make setup    only the set-up: toolbox and kernel, in $${XDG_CACHE_HOME:-~/.cache}/mini_pipe'
	@echo '  make clean    removes what was built; make distclean also the cache'
	@echo
	@echo 'Settings, on the command line:'
	@echo '  KERNEL=REL    another of the distribution'\''s kernels for the virtual machine, like 7.3.4+deb13-rt-amd64,'
	@echo '                or the one that watches: debug; or one at the processor'\''s own speed: um (User-Mode Linux)'
	@echo '  LOAD="capacity=128"   how the module is loaded there; LOAD=no: not at all'
	@echo '  TIMEOUT=n     the machine ends after n seconds (120 for a command, never for a shell)'
	@echo '  CPUS=n        how many processors the machine has (2)'
	@echo '  REPEAT=n      how many times make test runs the programs in the one machine (1)'
	@echo '  DURATION=n SEED=n   how long make soak takes (60 s), and where its choices come from'
	@echo '  SEED=n SEQUENCES=n   how much the differential test of make test plays (20000), and from which seed'
	@echo '  DURATION=n    how long the pairs of calls of make test-debug take (40 s)'
	@echo '  INSTRUMENTS="name ..."   which make bench measures with: icount, tcg, um, kvm (all that work)'
	@echo '  RUNS=n MUTANTS="name ..."   how many times make mutants runs each (1), and which (all)'
	@echo '  LOG=file      where its kernel log goes (build/vm.log)'

ifneq ($(KDIR),)
all: module
else
all: $(VM_MODULE)
	@echo "Built $(VM_MODULE) for Linux $$(cat $(VM_KERNEL)/release)."
ifeq ($(KERNEL),)
	@echo "That is the virtual machine's; the running kernel cannot: scripts/kdir.sh check says why."
endif
endif

module modules_install:
	@scripts/kdir.sh check $(KDIR)
	@echo "Building for the kernel of $(KDIR)"
	@$(MAKE) -C $(KDIR) M=$(CURDIR) $(patsubst module,modules,$@)

setup:
	@scripts/kernel.sh make

# kbuild knows what to do anew, so it is always asked.
$(VM_MODULE): setup
	@$(KBUILD) MO=$(CURDIR)/$(VM_BUILD) modules

# The modules that mini_pipe is compared with.
bench-modules: setup
	@scripts/kernel.sh kbuild M=$(CURDIR)/bench MO=$(CURDIR)/$(VM_BUILD)/bench modules

# What the benchmark needs of this kernel's.
bench-parts: $(VM_MODULE) bench-modules

tests: setup
	@$(TOOLBOX) make -s -j$(shell nproc) -C tests O=$(CURDIR)/$(TESTS) \
		KSELFTEST=$(VM_KERNEL)/source/tools/testing/selftests all dropin

demo: $(VM_MODULE) tests
	@LOAD=no RUN='sh demo' ADD='scripts/demo $(TESTS)/assignment' scripts/vm.sh

test: $(VM_MODULE) tests
	@scripts/test.sh $(TESTS)

verify: setup
	@scripts/verify.sh

test-debug:
	@$(MAKE) -s test KERNEL=debug

test-dropin: $(VM_MODULE) tests
	@scripts/dropin.sh $(TESTS)

bench guard: bench-parts
	@$(TOOLBOX) make -s -C tests O=$(CURDIR)/$(TESTS) \
		KSELFTEST=$(VM_KERNEL)/source/tools/testing/selftests dropin
	@$(TOOLBOX) make -s -C bench O=$(CURDIR)/build/bench
	@scripts/bench.sh $(patsubst bench,run,$@)

soak: $(VM_MODULE) tests
	@scripts/soak.sh $(TESTS)

mutants: setup tests
	@scripts/mutants.sh $(TESTS)

logs: setup
	@scripts/logs.sh

# make itself fails with 2, whatever the command's status is; scripts/vm.sh passes it on.
vm: $(VM_MODULE)
	@scripts/vm.sh

check: setup
	@scripts/check.sh $(VM_KERNEL)/source build/check

clean:
	@rm -rf build
	@if [ -n "$(KDIR)" ]; then $(MAKE) -s -C $(KDIR) M=$(CURDIR) clean; fi

distclean: clean
	@scripts/toolbox.sh remove

.PHONY: help all module modules_install setup bench-modules bench-parts tests bench guard demo test verify test-debug test-dropin soak mutants logs vm check clean distclean $(VM_MODULE)
