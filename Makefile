# Two commands do everything on a fresh machine: `make demo` and `make test`.
#
#   PYTHON      the interpreter that makes .venv (3.11 or later)
#   TORCH_SPEC  the torch to install; pip's own variables (PIP_INDEX_URL,
#               PIP_EXTRA_INDEX_URL, PIP_FIND_LINKS, …) choose where from

PYTHON     ?= python3
TORCH_SPEC ?= torch==2.13.0
VENV       ?= .venv
BIN         = $(VENV)/bin
INSTALLED   = $(VENV)/.installed

.PHONY: install demo check format test test-slow test-corpus test-plugins test-versions test-package test-web test-engines test-servers test-operators test-backbones test-trust test-page test-ray fuzz test-all bench bench-ray bench-quick bench-train train golden documents docs web clean

install: $(INSTALLED)

# torch comes first and alone, so that the chosen build is the one that stays.
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "hybridx needs Python 3.11 or later: make PYTHON=python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "$(TORCH_SPEC)"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

# DEMO=--eager lets PennyLane compute the circuit while it is trained.
demo: $(INSTALLED)
	$(BIN)/python benchmarks/demo.py $(DEMO)

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: $(INSTALLED)
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not slow"

# What `make test` leaves out, but for the plug-ins.
test-slow: $(INSTALLED)
	$(BIN)/python -m pytest -n auto --dist worksteal -m "slow and not exhaustive" --ignore tests/plugins --ignore tests/package --ignore tests/registries --ignore tests/trust --ignore tests/web

# Each model of the corpus trained and made a torch module again; `make test-slow` takes every third.
test-corpus: $(INSTALLED)
	$(BIN)/python -m pytest -n auto --dist worksteal -m exhaustive

# Plug-ins of PennyLane, each in an environment of its own that pip makes in .plugins.
test-plugins: $(INSTALLED)
	$(BIN)/python -m pytest tests/plugins --durations 10

# MLflow and the library of the Hugging Face Hub, each in an environment that pip makes in .servers.
test-registries: $(INSTALLED)
	$(BIN)/python -m pytest tests/registries --durations 10

# Other versions of our dependencies, in environments that pip makes in .versions.
# VERSIONS="newest-torch python-3.12" runs these rows of tests/versions/environments.toml.
test-versions: $(INSTALLED)
	$(BIN)/python -m tests.versions $(VERSIONS)

# Files on other engines, each in an environment that pip or npm makes in .engines; writes
# docs/engines.md. ENGINES="openvino tract" runs some and keeps the rows of the others.
test-engines: $(INSTALLED)
	$(BIN)/python -m tests.engines $(ENGINES)

# Servers of others on files of hybridx, each in an environment that pip makes in .servers; writes
# docs/deploy/index.md. SERVERS="mlserver folders" tries some and keeps the rows of the others.
test-servers: $(INSTALLED)
	$(BIN)/python -m tests.servers $(SERVERS)

# The wheel and the sdist, and the wheel with each extra alone in an environment that pip makes in
# .package.
test-package: $(INSTALLED)
	$(BIN)/python -m pytest tests/package --durations 10

# The npm package hybridx-web in Node.js and Chromium; npm installs what web/package-lock.json names.
test-web: $(INSTALLED)
	$(BIN)/python -m pytest tests/web --durations 10

# Libraries of backbones with a circuit in them, and trainers, in an environment that pip makes in
# .backbones.
# BACKBONES="ResNet ViT" takes those with these words in their names.
test-backbones: $(INSTALLED)
	$(BIN)/python -m tests.backbones $(BACKBONES)

# A model of every operator and module in torch's own databases: an hour and a half. An interrupted
# run continues. OPERATORS="--sample 60" or "--only relu nn.LSTM" runs some of them.
test-operators: $(INSTALLED)
	$(BIN)/python -m tests.operators $(OPERATORS)

# What takes minutes to show that a file can be trusted: random changes, load, kills at every step,
# and scanners of model files in an environment that pip makes in .scanners.
test-trust: $(INSTALLED)
	$(BIN)/python -m pytest tests/trust --durations 10

# Runs on Ray, in an environment that pip makes in .ray.
test-ray: $(INSTALLED)
	$(BIN)/python -m tests.clusters

# Coverage-guided fuzzing of all that reads what others wrote, in an environment that pip makes in
# .fuzzing. FUZZ="circuit pt2" takes these targets.
FUZZ_SECONDS ?= 60
fuzz: $(INSTALLED)
	$(BIN)/python -m tests.fuzzing --seconds $(FUZZ_SECONDS) $(FUZZ)

# Builds the page that `hybridx page` fills, in hybridx/web_page/built; needs Node.js and npm.
web:
	cd web && npm ci --ignore-scripts --no-audit --no-fund
	cd web/page && npx tsc --project tsconfig.json && npx vite build

# The page in Chromium: it is built again and compared, and every control of it is used on files of
# every strategy and dtype. CHROMIUM=/usr/bin/chromium names the browser.
test-page: $(INSTALLED)
	$(BIN)/python -m tests.page

test-all: test test-slow test-corpus test-plugins test-versions test-package fuzz test-backbones

# An hour and a half on an idle machine; an interrupted run continues. BENCH=--fresh begins again.
bench: $(INSTALLED)
	$(BIN)/python -m benchmarks.choice $(filter --fresh,$(BENCH))
	$(BIN)/python -m benchmarks.bench $(BENCH)

bench-quick: $(INSTALLED)
	$(BIN)/python -m benchmarks.bench --quick

# Steps of training: 45 minutes on an idle machine; an interrupted run continues. BENCH=--fresh begins
# again, BENCH="--cells W1-8x* QLSTM-*" takes some cells.
bench-train: $(INSTALLED)
	$(BIN)/python -m benchmarks.training.bench $(BENCH)

# Ray Data beside bare sessions, on an idle machine: ten minutes; writes docs/deploy/ray-data.md.
bench-ray: $(INSTALLED)
	$(BIN)/python -m tests.clusters --made
	mkdir -p build/ray
	$(BIN)/python -m benchmarks.exports W1 12 3 build/ray
	mv build/ray/model.onnx build/ray/w1.onnx
	$(BIN)/hybridx export exported/iris.toml -o build/ray/iris.onnx --overwrite --quiet
	PYTHONPATH=. .ray/bin/python -m benchmarks.ray_data build/ray

# Writes the golden files; read the difference. Model files that are there stay.
golden: $(INSTALLED)
	$(BIN)/python -m tests.cli.test_error_texts
	$(BIN)/python -m tests.lowering.test_goldens
	$(BIN)/python -m tests.documents.blocks
	$(BIN)/python -m tests.golden

# Writes the pages that follow from the code; read the difference.
documents: $(INSTALLED)
	$(BIN)/python -m tests.support
	$(BIN)/python -m tests.documents

# The site, in build/site; a broken link fails.
docs: .docs/.installed
	.docs/bin/zensical build --clean --strict

.docs/.installed: docs/requirements.txt
	$(PYTHON) -m venv .docs
	.docs/bin/python -m pip install --quiet --requirement $<
	touch $@

train: $(INSTALLED)
	$(BIN)/hybridx train exported/iris.toml --overwrite

clean:
	rm -rf web/node_modules web/*/node_modules web/*/dist $(VENV) build benchmarks/.venvs .docs .plugins .ray .versions .engines .servers .package .backbones .fuzzing .scanners .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
