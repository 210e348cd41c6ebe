# make demo     the whole chain on the embedded lab (HISTORY=DIR: from a history of your own)
# make test     the tests that end in minutes
# make lint     formatting, lint, types, the arrows between the rooms
# make test-slow, test-browser, test-cluster     the slower suites
.PHONY: demo test test-slow test-browser test-cluster lint style types setup docs clean
RUN := .venv/bin
# Two files at a time; tests/conftest.py says what stays together.
WORKERS := -n 2 --dist loadfile --no-loadscope-reorder
# Slow, but no measure of time: these may run side by side, too.
PURE := tests/allocation tests/autoscalers tests/history tests/models tests/twin tests/test_benchmarks.py \
	tests/cli/test_bad_search.py
# They measure time, or halt where answers are slow: nothing runs beside them.
ALONE := tests/lab/plane/test_dataplane.py tests/rehearsal/test_loadtest.py tests/rollout
SLOW := -m "slow and not browser and not cluster"

setup: .venv/ready

.venv/ready: pyproject.toml uv.lock tools/get_uv.py
	@python3 -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] <= (3, 13) else "python3 is %d.%d; chaosprsa needs 3.11 to 3.13" % sys.version_info[:2])'
	@python3 tools/get_uv.py .tools
	@UV_PYTHON_DOWNLOADS=never .tools/bin/uv sync --frozen --quiet --python "$$(python3 -c 'import sys; print(sys.executable)')"
	@touch .venv/ready

demo: setup
	@$(RUN)/chaos --no-version-check --no-log-file prsa demo $(if $(HISTORY),--history "$(HISTORY)")

test: setup
	$(RUN)/pytest $(WORKERS) -m "not slow and not browser and not cluster"

# What plays on labs mostly waits, so two files at a time share the machine there, too.
test-slow: setup
	$(RUN)/pytest $(WORKERS) $(SLOW) $(PURE)
	$(RUN)/pytest $(WORKERS) $(SLOW) $(addprefix --ignore=,$(PURE) $(ALONE))
	$(RUN)/pytest $(SLOW) $(ALONE)

# Each test has a browser or a namespace of its own: any two may run side by side. tests/conftest.py sees that all lie here.
test-browser: setup
	$(RUN)/pytest -n 2 --dist worksteal -m browser tests/browser

test-cluster: setup
	CHAOSPRSA_CLUSTER=1 $(RUN)/pytest -n 2 --dist worksteal --timeout 300 -m cluster tests/cluster_room tests/contract

lint: setup
	@$(MAKE) --no-print-directory --keep-going --output-sync=target -j 2 types style

style: setup
	$(RUN)/ruff format --check .
	$(RUN)/ruff check .
	$(RUN)/lint-imports

types: setup
	$(RUN)/mypy

docs: setup
	$(RUN)/python -m chaosprsa.reference

clean:
	rm -rf .venv .tools demo-run
