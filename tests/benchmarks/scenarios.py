"""What is measured: each scenario adds its measurements to the results."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.measurement import measure
from tests.benchmarks.places import Destination, Place
from tests.benchmarks.programs import FLOOR, OURS, WEAVE_EVAL, Program
from tests.benchmarks.results import Case, Results
from tests.benchmarks.running_api import RunningApi, running_api
from tests.benchmarks.shape import SIZES, Shape

_EDITED = 10
_NEXT_TO_NOTHING = 60


@dataclass(frozen=True)
class Plan:
    """What was asked for on the command line. Latencies are milliseconds; `held` are runs of warehouses that grow."""

    sizes: Sequence[str]
    latencies: Sequence[int]
    destinations: Sequence[Destination]
    programs: Sequence[Program]
    repeats: int
    held: Sequence[int]


@dataclass(frozen=True)
class Turn:
    """Programs that load the same, each into an empty place, one after the other."""

    case: Case
    programs: Sequence[Program]
    destination: Destination

    def measure(self, repeats: int, api: RunningApi, results: Results) -> None:
        """Measures all programs, as often as asked for."""
        known = [program for program in self.programs if self.destination.name in program.destinations]
        for program in known * repeats:
            with self.destination.place() as place:
                results.add(self.case, program.name, program.run(api, self.destination, place))


def warm_up(plan: Plan) -> None:
    """Runs every program on little, so that all modules are compiled and all files are cached."""
    nowhere = Results(report=lambda _: None)
    with running_api(SIZES["XS"]) as api:
        for destination in plan.destinations:
            Turn(Case("warm-up", "XS"), plan.programs, destination).measure(1, api, nowhere)


def load(plan: Plan, results: Results) -> None:
    """First loads by every program, in turn."""
    for size in plan.sizes:
        with running_api(SIZES[size]) as api:
            for latency in plan.latencies:
                api.set_latency(latency / 1000)
                for destination in plan.destinations:
                    case = Case("load", size, latency, destination.name)
                    Turn(case, plan.programs, destination).measure(plan.repeats, api, results)


def large(plan: Plan, results: Results) -> None:
    """A run of 200,000 rows, and outputs of 1 MB."""
    shapes = {"200,000 rows": Shape(runs=1, rows=200_000), "1 MB outputs": Shape(2, 100, output_bytes=1_000_000)}
    for size, shape in shapes.items():
        with running_api(shape) as api:
            for destination in plan.destinations:
                case = Case("large", size, 0, destination.name)
                Turn(case, (OURS, FLOOR), destination).measure(plan.repeats, api, results)


def unchanged(plan: Plan, results: Results) -> None:
    """Later loads of projects that did not change, beside a program that makes the imports of a load."""
    for size in plan.sizes:
        with running_api(SIZES[size]) as api:
            for destination in plan.destinations:
                case = Case("unchanged", size, 0, destination.name)
                with destination.place() as place:
                    OURS.run(api, destination, place)
                    for _ in range(plan.repeats):
                        results.add(case, OURS.name, OURS.run(api, destination, place))
                        results.add(case, START.name, START.run(api, destination, place))


_IMPORTS = {
    "duckdb": "dlt.destinations.impl.duckdb.duck",
    "postgres": "dlt.destinations.impl.postgres.postgres",
}


def _start(_: str, place: Place) -> Sequence[str]:
    imports = _IMPORTS["postgres" if place.address.startswith("postgresql://") else "duckdb"]
    footprint = "from weave_eval.cli.footprint import reduce_footprint; reduce_footprint()"
    return [sys.executable, "-c", f"{footprint}; import weave_eval.cli.libraries, weave_eval.cli.load_text, {imports}"]


START = Program("start", "the imports of a load", _start)

_HASTE = {"SOURCES__WEAVE_EVAL__PACKAGE_RUNS": "2500", "SOURCES__WEAVE_EVAL__REQUESTS_PER_SECOND": "100000"}


def growth(plan: Plan, results: Results) -> None:
    """Loads of ten changed runs into warehouses that hold few runs or many."""
    fill = replace(OURS, environment=_HASTE)
    for held in plan.held:
        shape = Shape(runs=held, rows=50)
        for destination in plan.destinations:
            case = Case("growth", f"{held} runs", 0, destination.name)
            with destination.place() as place:
                with running_api(shape) as api:
                    fill.run(api, destination, place)
                for edit in range(1, plan.repeats + 1):
                    with running_api(replace(shape, changed=_EDITED, edit=edit)) as api:
                        results.add(case, OURS.name, OURS.run(api, destination, place))


def inputs(plan: Plan, results: Results) -> None:
    """What a load would save at most if it did not download inputs: the same runs with inputs of next to nothing."""
    for size in plan.sizes:
        for name, shape in {
            "": SIZES[size],
            " without inputs": replace(SIZES[size], input_bytes=_NEXT_TO_NOTHING),
        }.items():
            with running_api(shape) as api:
                for destination in plan.destinations:
                    case = Case("inputs", f"{size}{name}", 0, destination.name)
                    Turn(case, (OURS,), destination).measure(plan.repeats, api, results)


def cold(plan: Plan, results: Results) -> None:
    """What starts: the command line's help, dlt, and the source with dlt."""
    commands = {
        "help": [WEAVE_EVAL, "--help"],
        "import dlt": [sys.executable, "-c", "import dlt"],
        "import source": [sys.executable, "-c", "import dlt; from weave_eval import weave_eval"],
    }
    with TemporaryDirectory() as folder:
        for _ in range(1 + 2 * plan.repeats):
            for name, command in commands.items():
                results.add(Case("cold", ""), name, measure(command, {"HOME": folder}, Path(folder)))


SCENARIOS = {scenario.__name__: scenario for scenario in (load, unchanged, growth, large, inputs, cold)}
