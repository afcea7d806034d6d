# SPDX-License-Identifier: GPL-2.0
#
# The targets of mini_pipe; `make help` lists them. Kbuild has what kbuild needs.

SHELL := /bin/bash
.DEFAULT_GOAL := all

# The module is built for the running kernel if it supports Rust modules, else for the virtual
# machine's kernel.
ifeq ($(KDIR)$(KERNEL)$(ARCH),)
KDIR := $(shell scripts/kdir.sh find)
endif

# The kernel directory of the virtual machine, and what is built for it.
VM_KERNEL := $(shell ARCH='$(ARCH)' KERNEL='$(KERNEL)' scripts/kernel.sh path)
VM_BUILD := build/$(notdir $(VM_KERNEL))
VM_MODULE := $(VM_BUILD)/mini_pipe.ko
# The prefix of the compiler's name, for an architecture that is not the host's.
CROSS := $(shell ARCH='$(ARCH)' KERNEL='$(KERNEL)' scripts/kernel.sh cross)
TESTS := build/$(CROSS)tests
TOOLBOX := scripts/toolbox.sh run
KBUILD := scripts/kernel.sh kbuild M=$(CURDIR)

# A $ in RUN is not expanded by make.
override RUN := $(value RUN)
export ADD ARCH CORPUS CPUS DURATION INSTRUMENTS KERNEL KERNELS LOAD LOG MODULE MUTANTS QUICK RECORD REPEAT RUN SCHEDULES SEED SEQUENCES SUBJECTS TIMEOUT TOOLS

help:
	@echo 'mini_pipe: a pipe as a misc character device, in Rust'
	@echo
	@echo '  make demo     sets up what is missing, boots a virtual machine and shows the pipe in use'
	@echo '  make test     the same set-up, then the whole test suite; ends with "N passed, N failed"'
	@echo '  make test-debug   the same and more, on the debug kernel (KASAN, lockdep, kmemleak, faults)'
	@echo '  make test-dropin  runs programs for pipe(2) on mini_pipes: shells, make, stress-ng, hackbench'
	@echo '  make          builds mini_pipe.ko for the running kernel if possible, else for the virtual machine'
	@echo '  make KDIR=DIR builds mini_pipe.ko for the kernel whose build directory is DIR'
	@echo '  make modules_install KDIR=DIR   installs it there'
	@echo '  make vm       starts a shell in the virtual machine, with the module loaded'
	@echo '  make vm RUN="cmd" ADD="file dir ..."   runs a command there, with these files; fails if it fails'
	@echo '  make check    runs rustfmt, clippy, checkpatch, shellcheck and other checks of form'
	@echo '  make sim      runs the core under a scheduler that tries many orders of events (DURATION=, SEED=)'
	@echo '  make coverage shows which lines of the core run in the unit tests and in the simulation'
	@echo '  make verify   checks all states of a model of the wake-ups with Spin'
	@echo '  make soak     many processes use the device for DURATION seconds; every byte is accounted for'
	@echo '  make fuzz     random programs of calls on the debug kernel, for DURATION seconds (60); it learns'
	@echo '  make bench    compares mini_pipe with pipe(2) and others; QUICK=1 takes 3 minutes'
	@echo '  make guard    fails if a message costs more instructions than recorded; RECORD=1 records them'
	@echo '  make matrix   runs the suite on all kernels that mini_pipe is for, and writes MATRIX.md (1 hour)'
	@echo '  make mutants  applies patches that break the module, and shows which tests fail for each'
	@echo '  make logs     replaces tests/logs by the logs of a new run'
	@echo '  make picture  draws docs/pipe.svg, the picture of README.md'
	@echo '  make setup    sets up the toolbox and the kernel, in $${XDG_CACHE_HOME:-~/.cache}/mini_pipe'
	@echo '  make clean    removes what was built; make distclean removes the cache, too'
	@echo
	@echo 'Settings, on the command line:'
	@echo '  KERNEL=REL    the kernel of the virtual machine: a release of the distribution, like'
	@echo '                7.3.4+deb13-rt-amd64; debug, the debug kernel; or um, User-Mode Linux'
	@echo '  ARCH=arm64    the architecture of the virtual machine, amd64 or arm64, for demo, test and vm'
	@echo '  SUBJECTS="name ..."   the subjects of make test (all)'
	@echo '  KERNELS="REL ..."   the kernels of make matrix (all)'
	@echo '  LOAD="capacity=128"   the parameters of the module there; LOAD=no does not load it'
	@echo '  TIMEOUT=n     kills the machine after n seconds (120 for a command, never for a shell)'
	@echo '  CPUS=n        the number of processors of the machine (2)'
	@echo '  REPEAT=n      how many times make test runs the programs in one machine (1)'
	@echo '  DURATION=n SEED=n   the length of make soak (60 s), and the seed of its random choices'
	@echo '  DURATION=n SEED=n   the same of make fuzz; MODULE=file fuzzes another module, CORPUS=file learns there'
	@echo '  SEED=n SEQUENCES=n   the first seed and the number of sequences (20000) of the differential test'
	@echo '  DURATION=n    the length of the subject pairs of make test-debug (40 s)'
	@echo '  INSTRUMENTS="name ..."   the instruments of make bench: icount, tcg, slow, um, kvm (all that work)'
	@echo '  MUTANTS="name ..."   the mutants of make mutants (all)'
	@echo '  LOG=file      the file for the kernel'\''s log (build/vm.log)'

ifneq ($(KDIR),)
all: module
else
all: $(VM_MODULE)
	@echo "Built $(VM_MODULE) for Linux $$(cat $(VM_KERNEL)/release)."
ifeq ($(KERNEL)$(ARCH),)
	@echo "That is the virtual machine's kernel, not the running one: scripts/kdir.sh check says why."
endif
endif

module modules_install:
	@scripts/kdir.sh check $(KDIR)
	@echo "Building for the kernel of $(KDIR)"
	@$(MAKE) -C $(KDIR) M=$(CURDIR) $(patsubst module,modules,$@)

setup:
	@scripts/kernel.sh make

# kbuild always runs: it finds out what is out of date.
$(VM_MODULE): setup
	@$(KBUILD) MO=$(CURDIR)/$(VM_BUILD) modules

# The modules with which mini_pipe is compared.
bench-modules: setup
	@scripts/kernel.sh kbuild M=$(CURDIR)/bench MO=$(CURDIR)/$(VM_BUILD)/bench modules

# What the benchmark needs for one kernel.
bench-parts: $(VM_MODULE) bench-modules

tests: setup
	@$(TOOLBOX) make -s -j$(shell nproc) -C tests O=$(CURDIR)/$(TESTS) CC=$(CROSS)gcc \
		KSELFTEST=$(VM_KERNEL)/source/tools/testing/selftests all dropin

demo: $(VM_MODULE) tests
	@LOAD=no RUN='sh demo' ADD='scripts/demo $(TESTS)/assignment' scripts/vm.sh

# On the debug kernel, make test also shows which lines of the module run; see Kbuild.
coverage-module: setup
	@scripts/kernel.sh kbuild M=$(CURDIR)/tests/coverage MO=$(CURDIR)/$(VM_BUILD)/coverage modules

test: $(VM_MODULE) tests $(if $(filter debug,$(KERNEL)),coverage-module)
	@scripts/test.sh $(TESTS)

coverage: setup
	@scripts/coverage.sh

sim: setup
	@scripts/sim.sh

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

fuzz:
	@$(MAKE) -s fuzz-debug KERNEL=debug

fuzz-debug: $(VM_MODULE)
	@scripts/fuzz.sh

# One kernel after the other, each as `make test KERNEL=...`.
matrix:
	@scripts/matrix.sh

mutants: setup tests
	@scripts/mutants.sh $(TESTS)

logs: setup
	@scripts/logs.sh

# If the command fails, make exits with 2, and scripts/vm.sh with the command's status.
vm: $(VM_MODULE)
	@scripts/vm.sh

# The picture of README.md.
picture:
	@python3 scripts/picture.py docs/pipe.svg

check: setup
	@scripts/check.sh $(VM_KERNEL)/source build/check

clean:
	@rm -rf build
	@if [ -n "$(KDIR)" ]; then $(MAKE) -s -C $(KDIR) M=$(CURDIR) clean; fi

distclean: clean
	@scripts/toolbox.sh remove

.PHONY: help all module modules_install setup bench-modules bench-parts coverage-module tests bench guard demo test sim coverage verify test-debug test-dropin soak fuzz fuzz-debug matrix mutants logs vm picture check clean distclean $(VM_MODULE)
