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
TESTS := build/$(CROSS:-=/)tests
TOOLBOX := scripts/toolbox.sh run
TRIPLE := x86_64-unknown-linux-gnu
CARGO := $(TOOLBOX) env -C cli CARGO_TARGET_DIR=$(CURDIR)/build/cli CARGO_BUILD_TARGET=$(TRIPLE) \
	RUSTFLAGS='-C target-feature=+crt-static' cargo --locked
COMMAND := build/cli/$(TRIPLE)/debug/mini-pipe
KBUILD := scripts/kernel.sh kbuild M=$(CURDIR)

# A $ in RUN is not expanded by make.
override RUN := $(value RUN)
export ADD ARCH CORPUS CPUS DURATION INSTRUMENTS KERNEL KERNELS LOAD LOG LONG MODULE MUTANTS QUICK RECORD REPEAT RUN SCHEDULES SEED SEQUENCES SUBJECTS TIMEOUT TOOLS

help:
	@echo 'mini_pipe: a pipe as a misc character device, in Rust'
	@echo
	@echo 'Try       demo              boots a virtual machine and shows the pipe in use; sets up what it needs'
	@echo '          vm                a shell there, with the module; RUN="cmd" ADD="file ..." runs a command'
	@echo 'Build     all               mini_pipe.ko, for the running kernel if possible, else for the machine'
	@echo '          modules_install   installs it; with KDIR=DIR, both are for the kernel built in DIR'
	@echo '          deb               packages for Debian 13, with the module for each KERNEL="REL ..."'
	@echo '          test-packages     installs packages, for OLDER=REL and NEWER=REL, in a machine'
	@echo '          command sign      mini-pipe, the command, in build/cli; signs the module: KEY=file CERT=file'
	@echo '          setup             the toolbox and the kernel, in $${XDG_CACHE_HOME:-~/.cache}/mini_pipe'
	@echo '          clean distclean   removes what was built; removes the cache, too'
	@echo 'Test      test test-debug   the suite; more of it, on the debug kernel (KASAN, lockdep, kmemleak)'
	@echo '          test-dropin       shells, make and other programs on mini_pipes, not pipe(2)s; LONG=1: more'
	@echo '          test-timeline     the pages of mini-pipe timeline, in headless Chromium'
	@echo '          check             the form: rustfmt, clippy, checkpatch, shellcheck, rustdoc and others'
	@echo '          sim coverage verify   the core under a scheduler, and which lines run; a model with Spin'
	@echo '          soak fuzz         many processes, or random programs of calls, for DURATION seconds'
	@echo '          mutants           breaks the module, and shows which tests notice; MUTANTS="name ..."'
	@echo '          matrix            the suite on all kernels that it is for; writes MATRIX.md; KERNELS="REL ..."'
	@echo 'Measure   bench guard       beside pipe(2); fails if a message costs 3 % more than recorded'
	@echo 'Write     doc docs          the comments of the code as pages, in build/doc; docs/timeline'
	@echo '          rust-analyzer compile_commands.json   what an editor reads of the Rust, and of the C'
	@echo '          logs picture      tests/logs by a new run; docs/pipe.svg'
	@echo
	@echo 'KERNEL=REL       a release of the distribution, like 7.3.4+deb13-rt-amd64; debug; um, for vm'
	@echo 'ARCH=arm64       the architecture of the machine, for demo, test and vm; SUBJECTS="name ..." of test'
	@echo 'LOAD="x=y ..."   parameters of the module in the machine; LOAD=no does not load it'
	@echo 'CPUS=n MEMORY=n TIMEOUT=n   of the machine: its MiB, seconds until it is killed; REPEAT=n of test: how often'
	@echo 'DURATION=n SEED=n SEQUENCES=n SCHEDULES=n   of tests with random choices; they print their seed'
	@echo 'MODULE=file CORPUS=file SHRINK=n   of fuzz: another module; its corpus; seconds to shrink'
	@echo 'QUICK=1 INSTRUMENTS="name ..."   of bench; RECORD=1 of guard; VERIFY="name ..." of verify'
	@echo 'LOG=file         for the log of the kernel, of vm, demo, test, test-dropin and soak'

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

# mini-pipe(1), static, so that it runs in the virtual machine, and its unit tests. `mini-pipe run`
# needs the library beside it.
command: tests
	@$(CARGO) test -q --bins
	@$(CARGO) build -q
	@cp $(TESTS)/mini_pipe_preload.so $(dir $(COMMAND))
	@echo 'Built $(COMMAND).'

# The packages are only in the toolbox of those who call this.
test-timeline: command
	@scripts/toolbox.sh add chromium-driver python3-selenium
	@$(TOOLBOX) python3 tests/timeline.py $(COMMAND)

# Packages, with the modules for each of KERNEL.
deb:
	@for kernel in $(or $(KERNEL),''); do $(MAKE) -s vm-module KERNEL=$$kernel || exit; done
	@KERNEL= scripts/deb.sh $(foreach kernel,$(or $(KERNEL),''), \
		build/$(notdir $(shell KERNEL=$(kernel) scripts/kernel.sh path)))

vm-module: $(VM_MODULE)

# Signs the module that make has built for the virtual machine's kernel, or KERNEL.
sign:
	@scripts/sign.sh $(VM_MODULE) $(VM_KERNEL) '$(KEY)' '$(CERT)'

# The kernels of the test: before and after an upgrade.
OLDER := 7.2.12+deb13-cloud-amd64
NEWER := 7.3.4+deb13-cloud-amd64

test-packages:
	@$(MAKE) -s deb KERNEL='$(OLDER) $(NEWER)'
	@scripts/test-packages.sh $(OLDER) $(NEWER)

test-dropin: $(VM_MODULE) tests command
	@scripts/dropin.sh $(TESTS) $(COMMAND)

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

# The pages of docs/timeline, and two pictures of README.md.
docs: $(VM_MODULE) tests command
	@scripts/timeline.sh $(TESTS) $(COMMAND)

# The comments of the code as pages.
doc: $(VM_MODULE)
	@scripts/doc.sh $(CURDIR)/$(VM_BUILD) $(CURDIR)/build/doc

# What an editor reads.
rust-analyzer: $(VM_MODULE)
	@scripts/editor.sh rust $(VM_BUILD)

compile_commands.json: bench-parts
	@scripts/editor.sh c $(VM_BUILD)

check: setup
	@scripts/check.sh $(VM_KERNEL)/source build/check

clean:
	@rm -rf build rust-project.json compile_commands.json
	@if [ -n "$(KDIR)" ]; then $(MAKE) -s -C $(KDIR) M=$(CURDIR) clean; fi

distclean: clean
	@scripts/toolbox.sh remove

.PHONY: help all module modules_install setup bench-modules bench-parts coverage-module tests bench guard demo test sim coverage verify test-debug command deb vm-module sign test-packages test-timeline test-dropin soak fuzz fuzz-debug matrix mutants logs vm picture docs doc rust-analyzer compile_commands.json check clean distclean $(VM_MODULE)
