# make demo, test, lint and bench set up whatever is missing (system packages, a virtual environment in .venv, the build), then run.
VENV := .venv
PY := $(VENV)/bin/python
SOURCES := $(shell find src gslfit -type f -not -name '*.so' -not -name '*.pyc') setup.py pyproject.toml MANIFEST.in
EXTENSIONS := $(subst /,.,$(patsubst %.pyi,%,$(shell find gslfit -name '_*.pyi')))
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_USER := 0

# a wheel that make wheel has made, or that was put there: the demo needs no compiler and no GSL then
WHEEL := $(lastword $(wildcard dist/gslfit-*.whl))

.PHONY: demo test slow torture plants sanitize fuzz matrix mutants lint docs bench wheel clean
demo: $(if $(WHEEL),build/demo-env/ready,$(VENV)/installed-demo)
	$(if $(WHEEL),build/demo-env/bin/python,$(PY)) examples/demo.py

# a worker of the tests is one core's work: BLAS's own threads would wait for one another
test slow wheel: export OPENBLAS_NUM_THREADS ?= 1
# what pytest makes of the asserts of each file is kept, whatever the caller's environment says: it takes each worker ten seconds
test slow: export PYTHONDONTWRITEBYTECODE :=

# pytest runs in tests/: in this folder the uncompiled gslfit/ would shadow the installed one
test: $(VENV)/installed-test
	cd tests && ../$(PY) -m pytest -n 2 --dist worksteal

slow: $(VENV)/installed-test
	cd tests && ../$(PY) -m pytest -n 2 --dist worksteal -m slow

# interrupts, exceptions, memory that ends, random calls, so many times the usual counts: make torture TIMES=20
torture: $(VENV)/installed-test
	$(PY) tests/torture/run.py --times $(or $(TIMES),1)

# a fault planted for each harness, fuzzing by coverage (atheris) included: each is to catch its own
plants: $(VENV)/installed-fuzz
	$(PY) tests/torture/plants.py $(NAMES)

# the extensions with AddressSanitizer and UndefinedBehaviorSanitizer: quick tests and random calls, make sanitize CALLS=1000;
# and the C core's threads with ThreadSanitizer
sanitize: $(VENV)/installed-test
	$(PY) tests/torture/sanitize.py --calls $(or $(CALLS),100000)

# texts and files of strangers, led by which lines they reach, so many of each kind: make fuzz INPUTS=200000
fuzz: $(VENV)/installed-fuzz
	$(PY) tests/fuzz/guided.py --inputs $(or $(INPUTS),20000)

# other Pythons, compilers, GSLs and processors, in folders: make matrix ROWS="debian-13 clang"
matrix: $(VENV)/installed-test
	tests/matrix.sh $(ROWS)

# plants faults one at a time and lists those that no test notices: hours; a sample, make mutants SAMPLE=100
mutants: $(VENV)/installed-test
	$(PY) tests/mutation/run.py $(if $(SAMPLE),--sample $(SAMPLE))

lint: $(VENV)/installed-lint
	ruff check .
	cython-lint src
	codespell --skip "docs/generated,*.dat" -L gaus,gausian,numer,bu,bui,nin,notin README.md CHANGELOG.md docs gslfit src examples/*.py examples/tutorials
	proselint --config .proselintrc.json check README.md CHANGELOG.md docs/*.md docs/howto/*.md docs/faq/*.md
	$(PY) .ci/duplicates.py
	mypy
	cd tests && ../$(PY) -m mypy --strict typing/user_script.py
	cd tests && ../$(PY) -m mypy.stubtest $(EXTENSIONS)

# the documentation as a site in build/docs; a warning is an error
docs: $(VENV)/installed-docs
	rm -rf build/docs docs/generated
	cd docs && MPLBACKEND=Agg ../$(PY) -m sphinx -W --keep-going -q -b html . ../build/docs
	@echo "the documentation is in build/docs/index.html"

bench: $(VENV)/installed-bench
	$(PY) benchmarks/import_time.py
	$(PY) benchmarks/run.py --write
	$(PY) benchmarks/models.py --write
	$(PY) benchmarks/replaces.py --write
	$(PY) benchmarks/losses.py --write
	$(PY) benchmarks/resampling.py --write
	$(PY) benchmarks/starts.py --write
	$(PY) benchmarks/tolerances.py --write
	$(PY) benchmarks/intervals.py
	$(PY) benchmarks/shared.py
	$(PY) benchmarks/response.py
	$(PY) benchmarks/minimize_overhead.py

# a wheel with GSL in it, in dist/, tried where no GSL can be seen; make wheel STEP=build only builds it
wheel: $(VENV)/ready
	bash .ci/wheel $(STEP)

# two revisions against each other, "." being the tree as it is: make ab A=main B=.
ab: $(VENV)/installed-test
	$(PY) benchmarks/ab.py $(or $(A),HEAD) $(or $(B),.)

$(VENV)/ready: .ci/setup pyproject.toml
	bash .ci/setup

$(VENV)/installed: $(VENV)/ready $(SOURCES)
	@echo "building and installing gslfit"
	@$(PY) -m pip install --quiet --no-build-isolation .
	@touch $@

$(VENV)/installed-%: $(VENV)/ready $(SOURCES)
	@echo "building and installing gslfit, and what make $* needs"
	@$(PY) -m pip install --quiet --no-build-isolation '.[$*]'
	@touch $@ $(VENV)/installed

build/demo-env/ready: $(WHEEL)
	@echo "installing $(WHEEL) for the demo"
	@python3 -m venv --clear build/demo-env
	@build/demo-env/bin/python -m pip install --quiet '$(WHEEL)[demo]'
	@touch $@

clean:
	rm -rf build dist $(VENV) *.egg-info
