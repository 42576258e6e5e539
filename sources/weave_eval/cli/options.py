"""Options that several commands share, each beside what is made of it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..warehouse.profiles import Profile


def add_projects(parser: ArgumentParser) -> None:
    """Adds `--project`, which may be repeated."""
    parser.add_argument(
        "--project",
        action="append",
        default=[],
        metavar="ENTITY/PROJECT",
        help="Weave project; may be repeated (default: the configured one)",
    )


def chosen_projects(options: Namespace) -> list[str | None]:
    """The projects given, or else the configured ones; None stands for the one that dlt finds."""
    from ..settings import configured_projects

    return list(options.project or configured_projects() or [None])


def add_destination(parser: ArgumentParser, default: str | None = None) -> None:
    """Adds `--destination` and `--dataset`."""
    parser.add_argument(
        "--destination",
        default=default,
        metavar="PROFILE",
        help=f"profile in destinations.toml (default: {default or 'the configured one, or else duckdb'})",
    )
    parser.add_argument("--dataset", metavar="NAME", help="dataset to use instead of the profile's")


def chosen_destination(options: Namespace) -> Profile:
    """The profile given, or else the default one. Raises `SettingsError` if there is none of that name."""
    from ..warehouse.profiles import profile

    return profile(options.destination, dataset=options.dataset)


def add_wait(parser: ArgumentParser) -> None:
    """Adds `--wait`."""
    parser.add_argument(
        "--wait", type=float, default=0.0, metavar="SECONDS", help="wait this long for another load to finish"
    )


def add_confirmations(parser: ArgumentParser) -> None:
    """Adds `--confirm-deletions` and `--confirm-server`."""
    parser.add_argument(
        "--confirm-deletions",
        type=int,
        metavar="COUNT",
        help="believe that a project has lost COUNT runs at once, however unlikely that is",
    )
    parser.add_argument(
        "--confirm-server",
        metavar="URL",
        help="load from the server at this base URL, although the project was loaded from another one",
    )


def confirmations(options: Namespace) -> dict[str, Any]:
    """What was confirmed, as settings."""
    return {"confirm_deletions": options.confirm_deletions, "confirm_server": options.confirm_server}


def add_json(parser: ArgumentParser, text: str = "print JSON") -> None:
    """Adds `--json`, with a help text that may say more."""
    parser.add_argument("--json", action="store_true", help=text)


def add_quiet(parser: ArgumentParser) -> None:
    """Adds `--quiet`."""
    parser.add_argument("--quiet", action="store_true", help="print only warnings and errors")
