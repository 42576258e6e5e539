"""The commands, a module each: it declares the command's options, and does what the command does.

Help is shown without dlt and the other libraries: a module imports them when its command runs.
"""

from __future__ import annotations

from . import check, compare, dbt, demo, dictionary, export, gate, load, looker, report, status, verify

COMMANDS = [
    each.COMMAND for each in (load, verify, check, status, demo, compare, gate, report, export, looker, dbt, dictionary)
]
"""All commands, in the order in which help lists them."""
