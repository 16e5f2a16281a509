# Two commands need nothing but Python 3.11 or newer and make:
#   make demo   the example agent's three versions, gated one after the other
#   make test   linters, types and every test, on the newest and oldest dependencies
PYTHON ?= python3
VENV := .venv
LOWEST := .venv-lowest
UV_INSTALL = $(1)/bin/uv pip install --quiet --compile-bytecode --python $(1)/bin/python

.PHONY: demo test lint test-latest test-lowest bench clean

demo: $(VENV)/.ready
	$(VENV)/bin/python -m examples.health_monitor.demo

test: lint test-latest test-lowest

lint: $(VENV)/.ready
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy pytest_agentgate examples gates

test-latest: $(VENV)/.ready
	$(VENV)/bin/python -m pytest -n 2 -q

# What talks to MLflow and pytest, and the rules: the rest does not depend on versions.
test-lowest: $(LOWEST)/.ready
	$(LOWEST)/bin/python -m pytest -n 2 -q tests/unit \
	  tests/pytester/test_promotion.py \
	  tests/pytester/evaluation/test_model_failures.py \
	  tests/pytester/interface/test_fixtures.py \
	  tests/pytester/interface/test_hooks.py

bench: $(VENV)/.ready
	$(VENV)/bin/python -m benchmarks

clean:
	rm -rf $(VENV) $(LOWEST) .demo .agentgate

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check uv
	$(call UV_INSTALL,$(VENV)) --editable . --group test --group lint
	touch $@

# Every dependency at the lower bound that pyproject.toml declares. MLflow 3.8
# itself does not exclude the SQLAlchemy that it cannot be imported with.
$(LOWEST)/.ready: pyproject.toml
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/pip install --quiet --disable-pip-version-check uv
	$(call UV_INSTALL,$(LOWEST)) --resolution lowest-direct --editable .
	$(call UV_INSTALL,$(LOWEST)) --group test "sqlalchemy<2.1"
	touch $@
