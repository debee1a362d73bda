# The Make targets of Lockhouse, for your Makefile to include. GNU Make 3.81 is enough.
#
# Set before the include, where the defaults do not suit:
#   LOCKHOUSE_PYTHON      the Python that runs Lockhouse                     (python3)
#   LOCKHOUSE_TOOLS       where the tools environment is made                (.lockhouse/tools)
#   LOCKHOUSE_TOOLS_LOCK  the hashed lock it is made from                    (requirements/lockhouse.txt)
#   LOCKHOUSE             the command itself; where that lock does not exist, it is the `lockhouse` on PATH

# The first target of your Makefile stays its default.
LOCKHOUSE_DEFAULT_GOAL := $(.DEFAULT_GOAL)

LOCKHOUSE_PYTHON ?= python3
LOCKHOUSE_TOOLS ?= .lockhouse/tools
LOCKHOUSE_TOOLS_LOCK ?= requirements/lockhouse.txt
LOCKHOUSE_TOOLS_PYTHON := $(LOCKHOUSE_TOOLS)/bin/python
# What would lead an install of the tools elsewhere, or bring others along. How to reach the index stays as configured.
LOCKHOUSE_CLEAN_PIP := env -u PIP_CONSTRAINT -u PIP_FIND_LINKS -u PIP_NO_BINARY -u PIP_ONLY_BINARY -u PIP_PREFIX -u PIP_REQUIREMENT -u PIP_ROOT -u PIP_TARGET -u PIP_USER

##@ Lockhouse

.PHONY: lockhouse-tools
ifeq ($(wildcard $(LOCKHOUSE_TOOLS_LOCK)),)
LOCKHOUSE ?= lockhouse
lockhouse-tools: ;
else
LOCKHOUSE ?= '$(LOCKHOUSE_TOOLS_PYTHON)' -I -m lockhouse
# The environment that Lockhouse itself runs in. It is made anew when the lock it was made from is another, or its Python
# is gone: what counts is the content, since time stamps lie after a checkout.
lockhouse-tools:
	@test -x '$(LOCKHOUSE_TOOLS_PYTHON)' && cmp -s '$(LOCKHOUSE_TOOLS_LOCK)' '$(LOCKHOUSE_TOOLS)/made-from.txt' || $(MAKE) --no-print-directory lockhouse-tools-anew
endif

# Whatever is printed here goes to standard error: `make key` has to print a key and nothing else.
.PHONY: lockhouse-tools-anew
lockhouse-tools-anew:
	@'$(LOCKHOUSE_PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Lockhouse needs Python 3.11 or newer, and $(LOCKHOUSE_PYTHON) is %d.%d: set LOCKHOUSE_PYTHON" % sys.version_info[:2])'
	@test ! -e '$(LOCKHOUSE_TOOLS)' || test -e '$(LOCKHOUSE_TOOLS)/made-from.txt' || test -e '$(LOCKHOUSE_TOOLS)/being-made' || { echo '$(LOCKHOUSE_TOOLS) was not made by Lockhouse, and stays as it is: set LOCKHOUSE_TOOLS' >&2; exit 1; }
	@echo 'making the environment that Lockhouse runs in ($(LOCKHOUSE_TOOLS))' >&2
	@rm -rf '$(LOCKHOUSE_TOOLS)'
	@mkdir -p '$(LOCKHOUSE_TOOLS)'
	@touch '$(LOCKHOUSE_TOOLS)/being-made'
	@'$(LOCKHOUSE_PYTHON)' -I -m venv '$(LOCKHOUSE_TOOLS)' >&2
	@$(LOCKHOUSE_CLEAN_PIP) '$(LOCKHOUSE_TOOLS_PYTHON)' -I -m pip install --quiet --disable-pip-version-check --no-input --no-deps --require-hashes --only-binary :all: --requirement '$(LOCKHOUSE_TOOLS_LOCK)' >&2
	@'$(LOCKHOUSE_TOOLS_PYTHON)' -I -c 'import click, packaging, piptools, tomli'
	@cp '$(LOCKHOUSE_TOOLS_LOCK)' '$(LOCKHOUSE_TOOLS)/made-from.txt'

.PHONY: lock
lock: lockhouse-tools  ## Recompile the locks that no longer satisfy their sources
	@$(LOCKHOUSE) lock

.PHONY: upgrade
upgrade: lockhouse-tools  ## Let every pin move to its newest version, or one of them: make upgrade P=name
	@$(LOCKHOUSE) lock $(if $(P),$(addprefix --upgrade-package=,$(P)),--upgrade)

.PHONY: wheelhouse
wheelhouse: lockhouse-tools  ## Make the wheelhouse exactly what the locks say
	@$(LOCKHOUSE) wheelhouse

.PHONY: check
check: lockhouse-tools  ## Prove that sources, locks and wheelhouse match; offline
	@$(LOCKHOUSE) check

# Only a wheelhouse that has never been whole is filled: one that has is checked as it stands.
.PHONY: lockhouse-first-fill
lockhouse-first-fill: lockhouse-tools
	@$(LOCKHOUSE) wheelhouse --if-missing

.PHONY: install
install: lockhouse-first-fill  ## Check, then install the locked wheels; no index, no network
	@$(LOCKHOUSE) install

.PHONY: key
key: lockhouse-tools  ## Print the cache key of the wheelhouse
	@$(LOCKHOUSE) key

.PHONY: bundle
bundle: lockhouse-tools  ## Check, then write one tar for a machine without a network
	@$(LOCKHOUSE) bundle

.DEFAULT_GOAL := $(LOCKHOUSE_DEFAULT_GOAL)
