# Every target prepares what it needs (virtual environment, ROS 2 Jazzy, colcon build) and goes.
PYTHON ?= python3
WORKSPACE = $(PYTHON) tools/workspace.py
RUN = $(WORKSPACE) run --

.PHONY: help demo test lint bench build clean
.DEFAULT_GOAL := help

help:  ## say what there is
	@echo 'lk_dataset_ros: does the compiled component do what the original does?'
	@echo
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16
	@echo
	@echo '  make demo BAG=path/to/bag TOPIC=/odom   the same on your own recording'
	@echo '  make test T="test/engine -k pairing"    some of the tests'

demo:  ## record a robot, run original against compiled, show the verdicts
	@$(WORKSPACE) setup demo
	@$(RUN) python examples/odometry_smoother/demo.py $(if $(BAG),--bag '$(BAG)') $(if $(TOPIC),--topic '$(TOPIC)')

test:  ## run the tests, those on a real ROS graph included
	@$(WORKSPACE) setup test
	@$(RUN) pytest $(T)

lint:  ## ruff and mypy
	@$(WORKSPACE) setup lint
	@$(RUN) ruff format --check .
	@$(RUN) ruff check .
	@$(RUN) mypy

# Those that take longer run by name only: recording, playing, crash, soak, round_trip, comparing, offline,
# experiments, worlds, noise, falsifying, consensus, consensus_engine, switching (docs/benchmarks.md).
bench:  ## measure what the README tells (B=columns for one of benchmarks/, ARGS='--runs 5' for it)
	@$(WORKSPACE) setup test
	@for each in $(or $(B),first_verdict columns write_columns dataloader large_bags); do \
	  echo; echo "$$each:"; \
	  if test $$each = first_verdict; then \
	    $(RUN) python benchmarks/first_verdict.py $(if $(BAG),--bag '$(BAG)') $(if $(TOPIC),--topic '$(TOPIC)') $(if $(RUNS),--runs $(RUNS)); \
	  else $(RUN) python benchmarks/$$each.py $(ARGS); fi || exit; \
	done

build:  ## build only; then: source env.sh
	@$(WORKSPACE) setup demo

clean:  ## remove what was installed and built here (not runs/)
	rm -rf .venv build install log .pytest_cache .mypy_cache .ruff_cache .hypothesis
