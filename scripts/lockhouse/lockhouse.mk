# The Make targets of Lockhouse, for your Makefile to include. GNU Make 3.81 is enough.
#
# Set before the include, where the defaults do not suit:
#   LOCKHOUSE_PYTHON      the Python that runs Lockhouse                     (python3)
#   LOCKHOUSE_TOOLS       where the tools environment is made                (.lockhouse/tools)
#   LOCKHOUSE_TOOLS_LOCK  the hashed lock it is made from                    (requirements/lockhouse.txt)
#   LOCKHOUSE             the command itself; where that lock does not exist, it is the `lockhouse` on PATH
#   LOCKHOUSE_TOOLS_WHEELS  a folder to keep the wheels of the tools in, for CI to cache; they are hashed anyway   (none)
#   LOCKHOUSE_ARGS        options for the step, as in: make wheelhouse LOCKHOUSE_ARGS=--rebuild   (none)
#   LOCKHOUSE_PREFIX      what the targets' names begin with, where yours are called so: lockhouse-   (nothing)

# The first target of your Makefile stays its default.
LOCKHOUSE_DEFAULT_GOAL := $(.DEFAULT_GOAL)

LOCKHOUSE_PYTHON ?= python3
LOCKHOUSE_PREFIX ?=
LOCKHOUSE_ARGS ?=
LOCKHOUSE_TOOLS_WHEELS ?=
LOCKHOUSE_TOOLS ?= .lockhouse/tools
LOCKHOUSE_TOOLS_LOCK ?= requirements/lockhouse.txt
LOCKHOUSE_TOOLS_PYTHON := $(LOCKHOUSE_TOOLS)/bin/python
# What would lead an install of the tools elsewhere, or bring others along. How to reach the index stays as configured.
LOCKHOUSE_CLEAN_PIP := env -u PIP_CONSTRAINT -u PIP_FIND_LINKS -u PIP_NO_BINARY -u PIP_ONLY_BINARY -u PIP_PREFIX -u PIP_REQUIREMENT -u PIP_ROOT -u PIP_TARGET -u PIP_USER

LOCKHOUSE_PIP := $(LOCKHOUSE_CLEAN_PIP) '$(LOCKHOUSE_TOOLS_PYTHON)' -I -m pip --quiet --disable-pip-version-check --no-input
LOCKHOUSE_LOCKED := --no-deps --require-hashes --only-binary :all: --requirement '$(LOCKHOUSE_TOOLS_LOCK)'
ifeq ($(LOCKHOUSE_TOOLS_WHEELS),)
LOCKHOUSE_FILL_TOOLS := $(LOCKHOUSE_PIP) install $(LOCKHOUSE_LOCKED) >&2
else
# What a cache gave back is used where it is whole; else all of it is fetched again.
LOCKHOUSE_KEPT_TOOLS := $(LOCKHOUSE_PIP) install --no-index --find-links '$(LOCKHOUSE_TOOLS_WHEELS)' $(LOCKHOUSE_LOCKED) >&2
LOCKHOUSE_FILL_TOOLS := { $(LOCKHOUSE_KEPT_TOOLS) 2>/dev/null || { rm -rf '$(LOCKHOUSE_TOOLS_WHEELS)' && $(LOCKHOUSE_PIP) download --dest '$(LOCKHOUSE_TOOLS_WHEELS)' $(LOCKHOUSE_LOCKED) >&2 && $(LOCKHOUSE_KEPT_TOOLS); }; }
endif

# So that messages name the targets as they are called here: run `make lock`.
LOCKHOUSE_HINTS := LOCKHOUSE_MAKE='make $(LOCKHOUSE_PREFIX)'

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
# All of it is one command, which ends where something fails whatever your Makefile sets (.ONESHELL).
.PHONY: lockhouse-tools-anew
lockhouse-tools-anew:
	@'$(LOCKHOUSE_PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Lockhouse needs Python 3.11 or newer, and $(LOCKHOUSE_PYTHON) is %d.%d: set LOCKHOUSE_PYTHON" % sys.version_info[:2])' && \
	{ test ! -e '$(LOCKHOUSE_TOOLS)' || test -e '$(LOCKHOUSE_TOOLS)/made-from.txt' || test -e '$(LOCKHOUSE_TOOLS)/being-made' || { echo '$(LOCKHOUSE_TOOLS) was not made by Lockhouse, and stays as it is: set LOCKHOUSE_TOOLS' >&2; exit 1; }; } && \
	echo 'making the environment that Lockhouse runs in ($(LOCKHOUSE_TOOLS))' >&2 && \
	rm -rf '$(LOCKHOUSE_TOOLS)' && \
	mkdir -p '$(LOCKHOUSE_TOOLS)' && \
	touch '$(LOCKHOUSE_TOOLS)/being-made' && \
	'$(LOCKHOUSE_PYTHON)' -I -m venv '$(LOCKHOUSE_TOOLS)' >&2 && \
	$(LOCKHOUSE_FILL_TOOLS) && \
	'$(LOCKHOUSE_TOOLS_PYTHON)' -I -c 'import click, packaging, piptools, tomli' && \
	cp '$(LOCKHOUSE_TOOLS_LOCK)' '$(LOCKHOUSE_TOOLS)/made-from.txt'

.PHONY: $(LOCKHOUSE_PREFIX)lock
$(LOCKHOUSE_PREFIX)lock: lockhouse-tools  ## Recompile the locks that no longer satisfy their sources
	@$(LOCKHOUSE_HINTS) $(LOCKHOUSE) lock

.PHONY: $(LOCKHOUSE_PREFIX)upgrade
$(LOCKHOUSE_PREFIX)upgrade: lockhouse-tools  ## Let every pin move to its newest version, or one of them: make upgrade P=name
	@$(LOCKHOUSE_HINTS) $(LOCKHOUSE) lock $(if $(P),$(addprefix --upgrade-package=,$(P)),--upgrade)

.PHONY: $(LOCKHOUSE_PREFIX)wheelhouse
$(LOCKHOUSE_PREFIX)wheelhouse: lockhouse-tools  ## Make the wheelhouse exactly what the locks say
	@$(LOCKHOUSE_HINTS) $(LOCKHOUSE) wheelhouse $(LOCKHOUSE_ARGS)

.PHONY: $(LOCKHOUSE_PREFIX)check
$(LOCKHOUSE_PREFIX)check: lockhouse-tools  ## Prove that sources, locks and wheelhouse match; offline
	@$(LOCKHOUSE_HINTS) $(LOCKHOUSE) check

# What the hook for pre-commit runs: the locks alone, by the Lockhouse that is locked for this project.
.PHONY: lockhouse-check-locks
lockhouse-check-locks: lockhouse-tools
	@$(LOCKHOUSE_HINTS) $(LOCKHOUSE) check --locks-only

# Only a wheelhouse that has never been whole is filled: one that has is checked as it stands.
.PHONY: lockhouse-first-fill
lockhouse-first-fill: lockhouse-tools
	@$(LOCKHOUSE_HINTS) $(LOCKHOUSE) wheelhouse --if-missing

.PHONY: $(LOCKHOUSE_PREFIX)install
$(LOCKHOUSE_PREFIX)install: lockhouse-first-fill  ## Check, then install the locked wheels; no index, no network
	@$(LOCKHOUSE_HINTS) $(LOCKHOUSE) install

.PHONY: $(LOCKHOUSE_PREFIX)key
$(LOCKHOUSE_PREFIX)key: lockhouse-tools  ## Print the cache key of the wheelhouse
	@$(LOCKHOUSE_HINTS) $(LOCKHOUSE) key

.PHONY: $(LOCKHOUSE_PREFIX)bundle
$(LOCKHOUSE_PREFIX)bundle: lockhouse-tools  ## Check, then write one tar for a machine without a network
	@$(LOCKHOUSE_HINTS) $(LOCKHOUSE) bundle

.DEFAULT_GOAL := $(LOCKHOUSE_DEFAULT_GOAL)
