# The Make targets of Lockhouse, for your Makefile to include. GNU Make 3.81 is enough.
#
# Set before the include, where the defaults do not suit:
#   LOCKHOUSE_PYTHON      the Python that runs Lockhouse                     (python3)
#   LOCKHOUSE_TOOLS       where the tools environment is made                (.lockhouse/tools)
#   LOCKHOUSE_TOOLS_LOCK  the hashed lock it is made from                    (requirements/lockhouse.txt)
#   LOCKHOUSE             the command itself; where that lock does not exist, it is the `lockhouse` on PATH

LOCKHOUSE_PYTHON ?= python3
LOCKHOUSE_TOOLS ?= .lockhouse/tools
LOCKHOUSE_TOOLS_LOCK ?= requirements/lockhouse.txt
LOCKHOUSE_TOOLS_PYTHON := $(LOCKHOUSE_TOOLS)/bin/python

##@ Lockhouse

.PHONY: lockhouse-tools
ifeq ($(wildcard $(LOCKHOUSE_TOOLS_LOCK)),)
LOCKHOUSE ?= lockhouse
lockhouse-tools: ;
else
LOCKHOUSE ?= $(LOCKHOUSE_TOOLS_PYTHON) -I -m lockhouse
# The environment that Lockhouse itself runs in. It is made anew when the lock it was made from is another: what
# counts is the content, since time stamps lie after a checkout.
lockhouse-tools:
	@cmp -s $(LOCKHOUSE_TOOLS_LOCK) $(LOCKHOUSE_TOOLS)/made-from.txt || $(MAKE) --no-print-directory lockhouse-tools-anew
endif

.PHONY: lockhouse-tools-anew
lockhouse-tools-anew:
	@$(LOCKHOUSE_PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Lockhouse needs Python 3.11 or newer, and $(LOCKHOUSE_PYTHON) is %d.%d: set LOCKHOUSE_PYTHON" % sys.version_info[:2])'
	@echo 'making the environment that Lockhouse runs in ($(LOCKHOUSE_TOOLS))'
	@rm -rf $(LOCKHOUSE_TOOLS)
	@$(LOCKHOUSE_PYTHON) -m venv $(LOCKHOUSE_TOOLS)
	@$(LOCKHOUSE_TOOLS_PYTHON) -m pip install --quiet --disable-pip-version-check --no-input --no-deps --require-hashes --only-binary :all: --requirement $(LOCKHOUSE_TOOLS_LOCK)
	@cp $(LOCKHOUSE_TOOLS_LOCK) $(LOCKHOUSE_TOOLS)/made-from.txt

.PHONY: lock
lock: lockhouse-tools  ## Recompile the locks that no longer satisfy their sources
	@$(LOCKHOUSE) lock

.PHONY: upgrade
upgrade: lockhouse-tools  ## Let every pin move to its newest version, or one of them: make upgrade P=name
	@$(LOCKHOUSE) lock $(if $(P),--upgrade-package $(P),--upgrade)

.PHONY: wheelhouse
wheelhouse: lockhouse-tools  ## Make the wheelhouse exactly what the locks say
	@$(LOCKHOUSE) wheelhouse

.PHONY: check
check: lockhouse-tools  ## Prove that sources, locks and wheelhouse match; offline
	@$(LOCKHOUSE) check

# Only a wheelhouse that is not there at all is filled: one that is there is checked as it stands.
.PHONY: lockhouse-first-fill
lockhouse-first-fill: lockhouse-tools
	@$(LOCKHOUSE) wheelhouse --if-missing

.PHONY: install
install: lockhouse-first-fill  ## Check, then install the locked wheels; no index, no network
	@$(LOCKHOUSE) install

.PHONY: key
key: lockhouse-tools  ## Print the cache key of the wheelhouse
	@$(LOCKHOUSE) key
