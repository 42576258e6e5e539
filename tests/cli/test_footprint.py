"""What the process of the command line does without, seen from inside such a process."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import gc, sys
from weave_eval.cli import program as cli

def main():
    import duckdb
    import pyarrow as pa
    print(duckdb.execute("SELECT ?", ["text"]).fetchall(), pa.array(["text"]), pa.default_memory_pool().backend_name)
    print("pandas" in sys.modules, gc.get_threshold()[0])
    for name in ("pandas", "numpy", "sqlalchemy"):
        try:
            __import__(name)
        except ImportError as error:
            print(error)
    return 7

cli._run = lambda options: main()
sys.argv = ["weave-eval", *sys.argv[1:]]
code = cli.program()
print("left alone at the end:", gc.get_freeze_count() > 1000)
sys.exit(code)
"""
COMMANDS = {
    "load": ["pandas", "numpy", "sqlalchemy"],
    "verify": ["pandas", "numpy", "sqlalchemy"],
    "status": ["pandas"],
    "demo": ["pandas"],
}


@pytest.mark.parametrize(("command", "absent"), COMMANDS.items())
def test_the_command_line_imports_what_it_needs_and_keeps_little(command: str, absent: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT, command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (7, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("[('text',)]")
    assert "system" in done.stdout
    assert "False 200000" in lines
    assert [line for line in lines if "No module" in line] == [f"No module named {name!r}" for name in absent]
    assert lines[-1] == "left alone at the end: True"


def test_who_imports_the_package_keeps_them() -> None:
    names = "pandas.__name__, numpy.__name__"
    script = f"import weave_eval.cli, weave_eval.loading.load, pandas, numpy, sqlalchemy; print({names})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout == "pandas numpy\n", done.stderr
