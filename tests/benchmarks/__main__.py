"""`python -m tests.benchmarks`: measures in one run, prints medians, ratios and goals; see `--help`."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from tests.benchmarks.goals import goals
from tests.benchmarks.places import destination
from tests.benchmarks.programs import PROGRAMS
from tests.benchmarks.results import Results
from tests.benchmarks.scenarios import SCENARIOS, Plan, warm_up
from tests.benchmarks.shape import SIZES
from tests.benchmarks.table import goals_text, results_text

_EXAMPLES = """examples:
  python -m tests.benchmarks --size S --latency 0 --destination duckdb
  python -m tests.benchmarks --size S M L --latency 0 100 --destination duckdb postgres --program ours floor snippets
  python -m tests.benchmarks --scenario unchanged cold
  python -m tests.benchmarks --scenario growth --held 10 10000 --destination duckdb postgres
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "tests.benchmarks", description=__doc__, epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sizes = ", ".join(f"{name} {shape.runs} runs of {shape.rows} rows" for name, shape in SIZES.items())
    parser.add_argument("--scenario", nargs="+", choices=SCENARIOS, default=["load"])
    parser.add_argument("--size", nargs="+", choices=SIZES, default=["S"], help=sizes)
    parser.add_argument("--latency", nargs="+", type=int, default=[0], help="milliseconds that each answer waits")
    parser.add_argument("--destination", nargs="+", choices=("duckdb", "postgres"), default=["duckdb"])
    parser.add_argument("--program", nargs="+", choices=PROGRAMS, default=list(PROGRAMS))
    parser.add_argument("--repeat", type=int, default=3, help="how often each measurement is made; medians are shown")
    parser.add_argument("--held", nargs="+", type=int, default=[10, 10_000], help="runs held when ten change (growth)")
    parser.add_argument("--json", type=Path, help="file for every single measurement")
    return parser


def main() -> None:
    """Measures what the command line asks for."""
    options = _parser().parse_args()
    # Compiled modules go where they disturb nobody, and stay, as those of an installed package do.
    os.environ["PYTHONPYCACHEPREFIX"] = str(Path(tempfile.gettempdir(), f"weave-eval-bench-pycache-{os.getuid()}"))
    destinations = [destination(name) for name in options.destination]
    programs = [PROGRAMS[name] for name in options.program]
    plan = Plan(options.size, options.latency, destinations, programs, options.repeat, options.held)
    results = Results()
    try:
        warm_up(plan)
        for scenario in options.scenario:
            SCENARIOS[scenario](plan, results)
    finally:
        for each in destinations:
            each.stop()
        print(f"\n{results_text(results)}\n\n{goals_text(goals(results))}", flush=True)
        if options.json:
            results.write(options.json)


if __name__ == "__main__":
    main()
