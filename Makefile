# `make test` and `make demo` need python3 (3.11 or newer) and make; the rest they install in .venv.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin

.PHONY: test demo lint man

test: $(VENV)/ready
	$(RUN)/python -m pytest --numprocesses auto

demo: $(VENV)/ready
	rm -rf demo
	$(RUN)/medclean denoise sample_data/mr/noisy --model dgan -o demo/mr
	$(RUN)/medclean denoise sample_data/ct/noisy --model nlm -o demo/ct
	$(RUN)/python sample_data/picture.py demo
	$(RUN)/medclean report demo/mr demo/ct -o demo/report.html \
	  --study sample_data/mr/noisy --study sample_data/ct/noisy

lint: $(VENV)/linters
	$(RUN)/ruff check
	$(RUN)/ruff format --check
	$(RUN)/mypy

man: $(VENV)/ready
	$(RUN)/python man/write.py
	$(RUN)/python man/conformance.py

$(VENV)/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "medclean needs Python 3.11: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) cannot make environments. On Debian: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(RUN)/python -m pip install --quiet --constraint constraints.txt --editable . --group test
	touch $@

$(VENV)/linters: $(VENV)/ready
	$(RUN)/python -m pip install --quiet --constraint constraints.txt --group lint
	touch $@
