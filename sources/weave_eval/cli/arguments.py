"""The options of each command, with examples."""

from __future__ import annotations

import argparse

_LOAD_EXAMPLES = """examples:
  weave-eval load --project my-team/my-project
  weave-eval load --project my-team/a --project my-team/b --destination postgres
  weave-eval load --project my-team/a --since 2026-10-01 --until 2026-11-01
  weave-eval load --project my-team/a --run 0199d9a4-7bb5-7d46-8f31-5c2f6a0c7a11
"""
_CHECK_EXAMPLES = """examples:
  weave-eval check --project my-team/my-project
  weave-eval check --project my-team/my-project --destination postgres
"""
_VERIFY_EXAMPLES = """examples:
  weave-eval verify --project my-team/my-project --dry-run
  weave-eval verify --project my-team/my-project --destination postgres
"""
_STATUS_EXAMPLES = """examples:
  weave-eval status
  weave-eval status --destination postgres --json
"""
_DEMO_EXAMPLES = """examples:
  weave-eval demo
"""
_COMPARE_EXAMPLES = """examples:
  weave-eval compare 01a20897-e0b5 01a20897-e1ec
  weave-eval compare latest:support-bot-v1 latest:support-bot-v2 --metric correct
  weave-eval compare latest:support-bot-v1 0199d9a4 --from-api --project my-team/my-project
"""
_GATE_EXAMPLES = """examples:
  weave-eval gate --run 0199d9a4 --baseline latest:support-bot --rules gate.toml
  weave-eval gate --run latest:support-bot --rules gate.toml --from-api --project my-team/my-project
  weave-eval gate --run 0199d9a4 --rules gate.toml --junit gate.xml --markdown "$GITHUB_STEP_SUMMARY"

exit codes: 0 passed, 1 blocked, 2 cannot be judged, 75 the warehouse is busy
"""
_REPORT_EXAMPLES = """examples:
  weave-eval report --out report.html
  weave-eval report --out report.html --project my-team/my-project --since 2026-10-01 --metric correct
  weave-eval report --out release.html --compare latest:support-bot-v1 latest:support-bot-v2
"""
_EXPORT_EXAMPLES = """examples:
  weave-eval export fct_leaderboard --out leaderboard.xlsx
  weave-eval export scores --out scores.parquet --destination postgres
  weave-eval export "SELECT model_name, count(*) AS runs FROM dim_runs GROUP BY 1" --out runs.csv
  weave-eval export @question.sql --out answer.csv
"""
_LOOKER_EXAMPLES = """examples:
  weave-eval looker --connection warehouse --out looker/ --destination snowflake
"""
_DBT_EXAMPLES = """examples:
  weave-eval dbt --out models/staging/ --destination snowflake
"""
_DICTIONARY_EXAMPLES = """examples:
  weave-eval dictionary --out DICTIONARY.md
  weave-eval dictionary --format json
"""


def parser() -> argparse.ArgumentParser:
    """The parser of the command line; `command` names the module of the command."""
    made = argparse.ArgumentParser(
        prog="weave-eval",
        description="Loads W&B Weave evaluations into DuckDB, Postgres, BigQuery or Snowflake.",
        epilog="Run `weave-eval COMMAND --help` for the options and examples of a command.",
    )
    commands = made.add_subparsers(metavar="COMMAND", required=True)
    load = _command(commands, "load", "load what is new or changed in a project", _LOAD_EXAMPLES)
    _add_projects(load)
    _add_destination(load)
    _add_range(load)
    _add_output(load)
    verify = _command(commands, "verify", "compare all runs with the warehouse and repair it", _VERIFY_EXAMPLES)
    _add_projects(verify)
    _add_destination(verify)
    verify.add_argument("--dry-run", action="store_true", help="say what differs, and repair nothing (1 if so)")
    _add_wait(verify)
    _add_output(verify)
    check = _command(commands, "check", "check key, project and destination without loading", _CHECK_EXAMPLES)
    _add_projects(check)
    _add_destination(check)
    status = _command(commands, "status", "show what a warehouse holds of each project", _STATUS_EXAMPLES)
    _add_destination(status)
    status.add_argument("--json", action="store_true", help="print JSON, one object a project")
    demo = _command(commands, "demo", "load a recorded project into a DuckDB file; no account needed", _DEMO_EXAMPLES)
    _add_destination(demo, default="duckdb")
    _add_compare(commands)
    _add_gate(commands)
    _add_report(commands)
    _add_export(commands)
    _add_looker(commands)
    _add_dbt(commands)
    _add_dictionary(commands)
    return made


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    text: str,
    examples: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=name)
    return parser


def _add_projects(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--project",
        action="append",
        default=[],
        metavar="ENTITY/PROJECT",
        help="Weave project; may be repeated (default: the configured one)",
    )


def _add_destination(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    parser.add_argument(
        "--destination",
        default=default,
        metavar="PROFILE",
        help=f"profile of destinations.toml (default: {default or 'the configured one, else duckdb'})",
    )
    parser.add_argument("--dataset", metavar="NAME", help="dataset to use instead of the profile's")


def _add_range(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--since", metavar="TIME", help="read the runs started at or after TIME (ISO 8601, UTC)")
    parser.add_argument("--until", metavar="TIME", help="read the runs started before TIME (ISO 8601, UTC)")
    parser.add_argument("--run", action="append", metavar="ID", dest="run_ids", help="read this run; may be repeated")
    parser.add_argument("--evaluation", action="append", metavar="NAME", help="only runs of this evaluation (or ref)")
    parser.add_argument("--model", action="append", metavar="NAME", help="only runs of this model (or ref)")
    parser.add_argument("--full", action="store_true", help="read every run again, and remove runs that are gone")
    parser.add_argument("--dry-run", action="store_true", help="say what would be read, and read nothing")
    _add_wait(parser)


def _add_wait(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--wait", type=float, default=0.0, metavar="SECONDS", help="wait for another load to end")


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, one object a project")
    parser.add_argument("--quiet", action="store_true", help="print only warnings and errors")


def _add_compare(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(commands, "compare", "compare two runs row by row", _COMPARE_EXAMPLES)
    help_text = "id of a run, the start of one, or latest:MODEL"
    parser.add_argument("baseline", metavar="RUN_A", help=f"the run to compare with: {help_text}")
    parser.add_argument("candidate", metavar="RUN_B", help="the run that is compared, named alike")
    _add_run_source(parser)
    _add_counting(parser)
    parser.add_argument("--metric", action="append", default=[], metavar="NAME", help="only this metric; repeatable")
    parser.add_argument(
        "--lower-is-better", action="append", default=[], metavar="METRIC", help="a number to keep low; repeatable"
    )
    parser.add_argument("--rows", type=int, default=5, metavar="N", help="show at most N rows of a kind (default: 5)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _add_gate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(commands, "gate", "hold rules against a run, and fail if it breaks one", _GATE_EXAMPLES)
    parser.add_argument("--run", required=True, help="the run to judge: its id, the start of it, or latest:MODEL")
    parser.add_argument("--baseline", metavar="RUN", help="the run to compare it with, named alike")
    parser.add_argument("--rules", required=True, metavar="FILE", help="TOML file with the rules")
    _add_run_source(parser)
    parser.add_argument("--no-record", action="store_true", help="leave no row in gate_decisions")
    parser.add_argument("--junit", metavar="FILE", help="write the checks as JUnit XML")
    parser.add_argument("--markdown", metavar="FILE", help="write a summary in Markdown, such as $GITHUB_STEP_SUMMARY")
    parser.add_argument("--json", action="store_true", help="print JSON")
    _add_wait(parser)


def _add_run_source(parser: argparse.ArgumentParser) -> None:
    _add_destination(parser)
    parser.add_argument("--project", metavar="ENTITY/PROJECT", help="only runs of this project")
    parser.add_argument("--from-api", action="store_true", help="read the runs from Weave, not from a warehouse")
    parser.add_argument("--evaluation", metavar="NAME", help="the evaluation that latest: looks in")


def _add_counting(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--count-errors-as",
        choices=("failures", "ignored"),
        default="failures",
        help="what a trial that failed before it was scored counts as (default: failures)",
    )


def _add_report(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(commands, "report", "write one HTML file for people to look at", _REPORT_EXAMPLES)
    parser.add_argument("--out", required=True, metavar="FILE", help="file to write, such as report.html")
    _add_destination(parser)
    project_help = "only runs of this project; may be repeated (default: all that are loaded)"
    parser.add_argument("--project", action="append", default=[], metavar="ENTITY/PROJECT", help=project_help)
    run_help = "only this run: its id, the start of it, or latest:MODEL; may be repeated"
    parser.add_argument("--run", action="append", default=[], metavar="RUN", help=run_help)
    parser.add_argument("--compare", nargs=2, metavar=("RUN_A", "RUN_B"), help="compare these two runs, named alike")
    parser.add_argument("--since", metavar="TIME", help="only runs started at or after TIME (ISO 8601, UTC)")
    parser.add_argument("--metric", metavar="NAME", help="the metric that leads, such as correct or tone.polite")
    parser.add_argument("--generated-at", metavar="TIME", help="time that the page names as its own (default: now)")
    parser.add_argument("--quiet", action="store_true", help="print only warnings and errors")


def _add_export(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(commands, "export", "write a table, a view or a query's answer to a file", _EXPORT_EXAMPLES)
    parser.add_argument(
        "query", metavar="QUERY_OR_NAME", help="a table, a view, a SELECT, @FILE with one, or - for standard input"
    )
    parser.add_argument("--out", required=True, metavar="FILE", help="file to write: .csv, .parquet or .xlsx")
    parser.add_argument(
        "--spreadsheet",
        action="store_true",
        help="make CSV for spreadsheets: with a byte order mark, and no text taken for a formula",
    )
    _add_destination(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--quiet", action="store_true", help="print only warnings and errors")


def _add_looker(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(commands, "looker", "write LookML: views, explores and a dashboard", _LOOKER_EXAMPLES)
    parser.add_argument("--connection", required=True, metavar="NAME", help="name of the connection in Looker")
    _add_folder(parser)


def _add_dbt(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(commands, "dbt", "write the tables and views as sources of dbt, with tests", _DBT_EXAMPLES)
    _add_folder(parser)


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to write to; made if it is not there")
    _add_destination(parser)


def _add_dictionary(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(commands, "dictionary", "describe all tables, views and columns", _DICTIONARY_EXAMPLES)
    parser.add_argument("--format", choices=("markdown", "json"), default="markdown", help="(default: markdown)")
    parser.add_argument("--out", metavar="FILE", help="file to write (default: standard output)")
