# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# make demo   two real hosts, one real night, one recovery point
# make test   everything that CI runs

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

PYTHON ?= /usr/bin/python3
BIN := $(CURDIR)/.venv/bin
LINK := .venv/collections/ansible_collections/labops/backup
PLAYBOOK := $(BIN)/ansible-playbook
LAB := -i .lab/inventory
LONG ?= $(notdir $(wildcard molecule/long_*))

# One state folder a checkout: Molecule's own choice depends on the folder's name only.
export MOLECULE_EPHEMERAL_DIRECTORY := $(CURDIR)/.cache/molecule
export MOLECULE_GLOB := molecule/*/molecule.yml
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/.venv/collections
export PATH := $(BIN):$(PATH)

.PHONY: help packages browser venv lint unit monitoring lab site demo molecule mysql guards test test-all long bench docs pins clean

help: ## show what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

packages: ## Debian packages that the checkout itself needs
	@missing=$$({ dpkg-query -W -f '$${db:Status-Status} $${Package}\n' \
	    python3-venv shellcheck openssh-client rsync borgbackup git 2>&1 || :; } \
	  | sed -nE 's/^not-installed //p; s/^dpkg-query: no packages found matching //p'); \
	if [ -n "$$missing" ]; then apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing >/dev/null; fi

# What the tests of monitoring need: a browser, and promtool without the server that its package would start.
browser: .cache/promtool/usr/bin/promtool
	@[ -x /usr/bin/chromium ] || { apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; }

.cache/promtool/usr/bin/promtool:
	rm -rf .cache/promtool && mkdir -p .cache/promtool
	apt-get update -qq
	cd .cache/promtool && apt-get download -qq prometheus && dpkg-deb --extract prometheus_*.deb . && rm prometheus_*.deb
	touch $@

.venv/.done: requirements/dev.txt | packages
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements/dev.txt
	mkdir -p $(dir $(LINK)) && ln -sfn ../../../.. $(LINK)
	touch $@

venv: .venv/.done ## the development environment in .venv

lint: venv ## every linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p ansible_collections.labops.backup.plugins
	$(BIN)/yamllint --strict .
	$(BIN)/ansible-lint --strict
	$(BIN)/antsibull-changelog lint
	git -c safe.directory=$(CURDIR) ls-files -z '*.sh' .ci/run | xargs -0 -r shellcheck

# Three for two cores: some of the tests wait for the clock.
unit: venv ## unit tests, under a minute
	PYTHONPATH=$(CURDIR)/.venv/collections $(BIN)/pytest -n 3 --dist loadfile -m "not long" tests/unit

monitoring: venv browser ## the report in a real browser, the alert rules by promtool
	PYTHONPATH=$(CURDIR)/.venv/collections $(BIN)/pytest -n 2 tests/monitoring

lab: venv ## the hosts loki and tatchu, with a live DataJoint pipeline on tatchu
	$(PLAYBOOK) tests/lab/create.yml
	$(PLAYBOOK) $(LAB) tests/lab/prepare.yml

site: lab ## provision the lab's hosts
	$(PLAYBOOK) $(LAB) site.yml

demo: ## from nothing to a sealed recovery point
	@tests/lab/demo.sh

molecule: venv ## the scenarios on real hosts
	$(BIN)/molecule test --all --exclude 'long_*'

guards: venv ## the scenario of the guards, and their table in docs/operate.md anew
	$(BIN)/molecule converge -s long_guards
	cd molecule/long_guards && $(BIN)/pytest -p no:cacheprovider --ignore=tests/test_table.py --connection=ansible \
	  --ansible-inventory=$(CURDIR)/.lab/inventory tests
	$(PYTHON) tests/guards_table.py

test: lint unit monitoring molecule ## everything that CI runs

test-all: test ## and what takes long: unit tests marked so, scenarios named long_*
	PYTHONPATH=$(CURDIR)/.venv/collections $(BIN)/pytest -m long tests/unit
	$(MAKE) long
	$(MAKE) mysql

# A lab for each: where one scenario lost or moved gigabytes, the guards rightly stop the nights of another.
long: venv ## the scenarios named long_*, or those of LONG="...", each on a lab of its own
	for scenario in $(LONG); do \
	  $(PLAYBOOK) tests/lab/destroy.yml; \
	  $(MAKE) lab; \
	  LABOPS_TESTS='long or not long' $(BIN)/molecule test --scenario-name "$$scenario" --destroy never; \
	done
	$(PLAYBOOK) tests/lab/destroy.yml

mysql: export LAB_ENGINE = mysql
mysql: venv ## what depends on the database server, on a lab with MySQL; there must be no other lab of this checkout
	$(MAKE) lab
	$(BIN)/molecule test --scenario-name restore --scenario-name prove --scenario-name long_dead_server --destroy never
	$(PLAYBOOK) tests/lab/destroy.yml

bench: venv ## time whole nights on a provisioned lab against plain scripts and borgmatic; writes docs/performance.md
	$(PYTHON) bench/nights.py

docs: venv ## check the documentation of modules and roles, renew the generated pages
	$(BIN)/ansible-doc -t module -l labops.backup
	$(PLAYBOOK) -i inventory/production/hosts.yml playbooks/assumptions.yml -e assumptions_file=$(CURDIR)/docs/assumptions.md

pins: ## renew the pinned requirements from *.in
	for pair in job:roles/runner/files/requirements.txt dev:requirements/dev.txt; do \
	  rm -rf .cache/pins && $(PYTHON) -m venv .cache/pins && \
	  sed 's/#.*//' requirements/$${pair%%:*}.in | .cache/pins/bin/pip install -q -r /dev/stdin && \
	  { echo "# Pinned from requirements/$${pair%%:*}.in; renew with: make pins"; .cache/pins/bin/pip freeze; } > $${pair#*:}; \
	done

clean: ## remove the lab and everything built
	@if [ -x $(PLAYBOOK) ]; then $(PLAYBOOK) tests/lab/destroy.yml; fi
	rm -rf .venv .cache .ansible .mypy_cache .pytest_cache .ruff_cache .lab
