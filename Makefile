# make demo and make test set up whatever is missing (system packages, a virtual environment in .venv, the build), then run.
VENV := .venv
PY := $(VENV)/bin/python
SOURCES := $(shell find src gslfit -type f -not -name '*.so' -not -name '*.pyc') setup.py pyproject.toml MANIFEST.in

.PHONY: demo test lint clean
demo: $(VENV)/demo.installed
	$(PY) examples/demo.py

test: $(VENV)/test.installed
	cd tests && ../$(VENV)/bin/pytest -n 2

$(PY):
	bash .ci/setup

$(VENV)/%.installed: $(PY) $(SOURCES)
	$(PY) -m pip install --quiet '.[$*]'
	touch $@

clean:
	rm -rf build dist $(VENV) *.egg-info
