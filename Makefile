# From a fresh clone, with nothing but Python >= 3.11:  make run,  make test,  make slow,  make reproduce.
PYTHON ?= python3
INSTALLED := .venv/installed

.PHONY: run test slow reproduce

# Modules are compiled once, not by each of the many processes that the tests start.
test slow: export PYTHONDONTWRITEBYTECODE =

run: $(INSTALLED)
	.venv/bin/python run.py experiment=erf_growth

test: $(INSTALLED)
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	@# Types are checked by one thread, beside the tests.
	.venv/bin/pyright & types=$$!; .venv/bin/python -m pytest -n 2 --dist loadfile; tests=$$?; \
		wait $$types || { echo 'error: pyright found errors, above the tests' >&2; exit 1; }; exit $$tests

# What make test leaves out: the paper's claims at real size, and long checks of what other tests check in short.
slow: $(INSTALLED)
	.venv/bin/python -m pytest -n 2 --dist loadfile -m slow

# All of the evidence: hours with the trainings, whose data scripts/fetch_data.py gets. QUICK=1: minutes, smaller.
reproduce: $(INSTALLED)
	.venv/bin/python scripts/reproduce.py $(if $(QUICK),--quick)

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo 'error: $(PYTHON) is not Python 3.11 or newer; name one that is: make PYTHON=python3.12' >&2; exit 1; }
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@
