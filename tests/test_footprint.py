"""What the process of the command line does without, seen from inside such a process."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import gc, sys
from weave_eval import cli

def main():
    import duckdb
    import pyarrow as pa
    print(duckdb.execute("SELECT ?", ["text"]).fetchall(), pa.array(["text"]), pa.default_memory_pool().backend_name)
    print("pandas" in sys.modules, gc.get_threshold()[0])
    try:
        import pandas
    except ImportError as error:
        print(error)
    return 7

cli.main = main
sys.exit(cli.program())
"""


def test_the_command_line_imports_no_pandas_and_keeps_little() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (7, "")
    first, *_, seen, refused = done.stdout.splitlines()
    assert first.startswith("[('text',)]")
    assert "system" in done.stdout
    assert seen == "False 200000"
    assert refused == "No module named 'pandas'"


def test_who_imports_the_package_keeps_pandas() -> None:
    script = "import weave_eval.cli, weave_eval.load, pandas; print(pandas.__name__)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout == "pandas\n", done.stderr
