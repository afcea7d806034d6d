# SPDX-License-Identifier: GPL-2.0
#
# Three makes that share one jobserver: two of them have four jobs each, of which four run at a time in
# all. Each job says how many run when it begins; none ends before four have met.
#
#   make -j4 --jobserver-style=pipe -f jobserver.mk    in an empty directory

comma := ,
jobserver = $(subst $(comma), ,$(patsubst --jobserver-auth=%,%,$(filter --jobserver-auth=%,$(MAKEFLAGS))))
jobs = $(addsuffix .job,$(addprefix $@,1 2 3 4))

all: left right

left right:
	+@for fd in $(jobserver); do readlink /proc/self/fd/$$fd; done
	+@$(MAKE) -s -f $(firstword $(MAKEFILE_LIST)) $(jobs)

%.job:
	@touch $*.running
	@ls *.running | wc -l
	@until [ -e met ]; do [ $$(ls *.running | wc -l) -lt 4 ] || touch met; sleep 0.1; done
	@rm $*.running

.PHONY: all left right
