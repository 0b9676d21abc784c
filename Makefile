# `make demo` and `make test` start from a bare Python 3.11 and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test check docs transcripts pictures lock bench harness clean chromium compiler install

demo: $(STAMP)
	$(BIN)/ghostships demo --out demo-report

install: $(STAMP)

# Hash-checked, exactly the locked versions; the project itself is linked in without resolving anything.
$(STAMP): requirements.lock pyproject.toml
	@$(MAKE) --no-print-directory compiler
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --prefer-binary -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $(STAMP)

# scikit-fmm comes as C++ source: a compiler and Python's headers are needed, installed only where they are missing.
compiler:
	@command -v c++ >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends g++ >/dev/null; }
	@test -f "$$($(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" || \
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-dev >/dev/null; }

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 2 -m "not slow and not browser"

test: check chromium
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "(slow or browser) and not long"

# The page is tested in a real browser; Debian's own package, installed only where it is missing.
chromium:
	@command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; }

# The manual, in site/: pages made from the program are made again, a warning or an asset from elsewhere is an error.
docs: $(STAMP)
	$(BIN)/python -m ghostships.tables docs/tables.md
	$(BIN)/python docs/make/reference.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

# Every command of the manual is run, and its answer put under it; a minute or two.
transcripts: $(STAMP)
	$(BIN)/python docs/make/transcripts.py

# The manual's pictures, taken of the real page of the demo.
pictures: $(STAMP) chromium
	$(BIN)/python docs/make/pictures.py

# Needs `uv` on the PATH; the lock holds versions and hashes, never an address.
lock:
	uv pip compile pyproject.toml --extra dev --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -o requirements.lock

bench: $(STAMP)
	$(BIN)/python benchmarks/run.py

# The long proof of docs/reliability.md: hours of faults, kills and corruptions. `make test` runs a seeded sample of it.
harness: $(STAMP)
	$(BIN)/python tests/harness all --share long --results harness-results
	$(BIN)/python tests/harness record docs/reliability.md --results harness-results
	$(BIN)/python -m pytest -n 2 -m long

clean:
	rm -rf $(VENV) demo-report site
