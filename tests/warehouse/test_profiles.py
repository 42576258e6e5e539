"""Profiles of destinations.toml: what is wrong is said in one sentence, and what is given elsewhere overrides them."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import duckdb
import pytest

from tests.checkout import CHECKOUT
from tests.stand_ins.server import free_port
from tests.stand_ins.warehouse import Warehouse
from tests.weave_server.process import WeaveServer
from weave_eval import load_project, resolve_settings
from weave_eval.cli.exit_codes import DONE, FAILED, MISUSED
from weave_eval.cli.program import main
from weave_eval.errors import DestinationError, SettingsError
from weave_eval.warehouse.profiles import profile, profiles
from weave_eval.warehouse.registry import warehouses

SAMPLE = CHECKOUT / "destinations.toml"
PROJECT = "acme/destinations"
EXTRAS = {
    "postgres": ("psycopg2", "adbc_driver_postgresql"),
    "bigquery": ("google.cloud.bigquery", "sqlalchemy_bigquery"),
    "snowflake": ("snowflake.connector", "snowflake.sqlalchemy"),
}


@pytest.fixture
def folder(server: WeaveServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The current folder, with a project to load and no profiles yet."""
    monkeypatch.chdir(tmp_path)
    for variable, value in server.environment().items():
        monkeypatch.setenv(variable, value)
    server.bulk(PROJECT, rows=3)
    return tmp_path


def declare(folder: Path, text: str) -> None:
    (folder / "destinations.toml").write_text(text, encoding="utf-8")


def load(*arguments: str) -> int:
    return main(["load", "--project", PROJECT, *arguments])


def only_line(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that was printed."""
    said = capsys.readouterr()
    (line,) = (said.out + said.err).splitlines()
    return line


def trial_count(file: Path, dataset: str) -> int:
    with duckdb.connect(str(file), read_only=True) as connection:
        ((count,),) = connection.execute(f'SELECT count(*) FROM "{dataset}".trials').fetchall()
    return int(count)


def test_without_a_file_the_default_is_a_duckdb_file(folder: Path) -> None:
    assert load() == DONE
    assert trial_count(folder / "weave_eval.duckdb", "weave") == 3


def test_an_unknown_name_lists_the_known_ones(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    declare(folder, '[lake]\ntype = "duckdb"\n[mart]\ntype = "postgres"\n')
    assert load("--destination", "warehouse") == MISUSED
    line = only_line(capsys)
    assert line == "error: There is no destination 'warehouse'. destinations.toml declares: lake, mart."


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "declares no destination"),
        ("[duckdb\n", "cannot be read as TOML"),
        ('duckdb = "weave.duckdb"\n', "duckdb is not a profile; write [duckdb] with a type"),
        ("[duckdb]\ndataset = 'weave'\n", "duckdb is not a profile; write [duckdb] with a type"),
        ('[duckdb]\ntype = "oracle"\n', "[duckdb] has type 'oracle'; known types are duckdb, postgres, bigquery"),
        ('[duckdb]\ntype = "duckdb"\ndataset = 7\n', "[duckdb] has dataset 7"),
        (
            '[duckdb]\ntype = "duckdb"\ndataset = "my-weave"\n[b]\ntype = "duckdb"\ndataset = "my weave"\n',
            "the datasets 'my-weave' and 'my weave' would both be 'my_weave' in a warehouse.",
        ),
        (
            '[duckdb]\ntype = "duckdb"\ndataset = "Evals"\nviews_dataset = "evals"\n',
            "the datasets 'Evals' and 'evals' would both be 'evals' in a warehouse.",
        ),
    ],
)
def test_a_file_that_cannot_be_used(folder: Path, capsys: pytest.CaptureFixture[str], text: str, words: str) -> None:
    declare(folder, text)
    assert load() == MISUSED
    line = only_line(capsys)
    assert words in line
    assert "destinations.toml" in line


@pytest.mark.slow
def test_another_file_can_be_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WEAVE_EVAL_DESTINATIONS", str(folder / "elsewhere.toml"))
    assert load() == MISUSED
    assert "There is no file" in only_line(capsys)
    (folder / "elsewhere.toml").write_text('[duckdb]\ntype = "duckdb"\ncredentials = "other.duckdb"\n')
    assert load() == DONE
    assert trial_count(folder / "other.duckdb", "weave") == 3


@pytest.mark.parametrize(("extra", "module"), [(extra, module) for extra in EXTRAS for module in EXTRAS[extra]])
def test_a_missing_extra_gives_the_line_to_install_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], extra: str, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    declare(folder, f'[mart]\ntype = "{extra}"\n')
    assert load("--destination", "mart") == MISUSED
    line = only_line(capsys)
    assert f"The destination 'mart' needs {module}, which is not installed." in line
    assert line.endswith(f'Install it with: pip install "weave-eval[{extra}]"')


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("postgres", "database, password, username, host"),
        ("bigquery", "project_id, private_key, client_email"),
        ("snowflake", "database, host"),
    ],
)
def test_missing_credentials_are_named(
    folder: Path, capsys: pytest.CaptureFixture[str], kind: str, fields: str
) -> None:
    declare(folder, f'[mart]\ntype = "{kind}"\n')
    assert load("--destination", "mart") == MISUSED
    line = only_line(capsys)
    assert line.startswith(f"error: The destination 'mart' is not complete: it lacks {fields}. ")
    variable = f"DESTINATION__MART__CREDENTIALS__{fields.rsplit(', ', maxsplit=1)[-1].upper()}"
    assert f"environment variable ({variable}, or all credentials at once in DESTINATION__MART__CREDENTIALS)" in line


def test_a_single_missing_credential_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(SAMPLE, folder)
    assert load("--destination", "snowflake") == MISUSED
    line = only_line(capsys)
    assert "`password`" in line
    assert "DESTINATION__SNOWFLAKE__CREDENTIALS__PASSWORD" in line


def test_a_refused_connection_is_one_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    declare(folder, f'[mart]\ntype = "postgres"\ncredentials = "postgresql://me:hidden@127.0.0.1:{port}/analytics"\n')
    assert load("--destination", "mart") == FAILED
    line = only_line(capsys)
    assert line.startswith("error: The destination 'mart' (postgres) refused")
    assert "Connection refused" in line
    assert str(port) in line
    assert "hidden" not in line


def test_a_refused_password_is_one_sentence(
    folder: Path, postgres: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    url = postgres.environment["DESTINATION__POSTGRES__CREDENTIALS"]
    declare(
        folder, f'[mart]\ntype = "postgres"\ncredentials = "{url.replace("//loader:loader@", "//nobody:hidden@")}"\n'
    )
    assert load("--destination", "mart") == FAILED
    line = only_line(capsys)
    assert 'role "nobody" does not exist' in line
    assert "hidden" not in line


def test_errors_are_raised_to_python_too(folder: Path) -> None:
    settings = resolve_settings(project=PROJECT)
    declare(folder, f'[mart]\ntype = "postgres"\ncredentials = "postgresql://me:hidden@127.0.0.1:{free_port()}/a"\n')
    with pytest.raises(DestinationError, match=r"The destination 'mart' \(postgres\) refused"):
        load_project(settings, profile("mart"))
    declare(folder, '[mart]\ntype = "postgres"\n')
    with pytest.raises(SettingsError, match="The destination 'mart' is not complete"):
        load_project(settings, profile("mart"))


@pytest.mark.slow
def test_the_environment_overrides_the_secrets_file_and_that_a_profile(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(folder, '[lake]\ntype = "duckdb"\ncredentials = "profile.duckdb"\n')
    assert load("--destination", "lake") == DONE
    assert trial_count(folder / "profile.duckdb", "weave") == 3
    monkeypatch.setenv("DESTINATION__LAKE__CREDENTIALS", "environment.duckdb")
    assert load("--destination", "lake") == DONE
    assert trial_count(folder / "environment.duckdb", "weave") == 3


@pytest.mark.slow
def test_several_profiles_share_a_type_and_set_a_dataset(folder: Path) -> None:
    declare(
        folder,
        '[one]\ntype = "duckdb"\ncredentials = "shared.duckdb"\ndataset = "first"\n'
        '[two]\ntype = "duckdb"\ncredentials = "shared.duckdb"\ndataset = "second"\n'
        '[three]\ntype = "duckdb"\ncredentials = "third.duckdb"\n',
    )
    for name in ("one", "two", "three"):
        assert load("--destination", name) == DONE
    assert trial_count(folder / "shared.duckdb", "first") == 3
    assert trial_count(folder / "shared.duckdb", "second") == 3
    assert trial_count(folder / "third.duckdb", "weave") == 3


def test_a_dataset_is_called_as_the_warehouse_calls_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert load("--dataset", "Team-Evals", "--json") == DONE
    assert json.loads(capsys.readouterr().out)["dataset"] == "team_evals"
    assert trial_count(folder / "weave_eval.duckdb", "team_evals") == 3
    assert main(["status", "--dataset", "Team-Evals", "--json"]) == DONE
    assert json.loads(capsys.readouterr().out)["project"] == PROJECT


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", ["évals", "日本", "-"])
def test_a_dataset_whose_letters_would_be_lost_is_refused(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert load(f"--dataset={name}") == MISUSED
    assert f"The dataset {name!r} cannot be spelled in every warehouse" in only_line(capsys)


def test_the_sample_profiles_are_declared() -> None:
    declared = profiles(SAMPLE)
    assert {name: found.type for name, found in declared.items()} == {each.type: each.type for each in warehouses()}
    assert {found.dataset for found in declared.values()} == {"weave"}


def test_the_sample_profiles_work_with_credentials_from_the_environment(
    folder: Path, warehouse: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(SAMPLE, folder)
    dataset = warehouse.new_dataset()
    where = ("--destination", warehouse.name, "--dataset", dataset)
    assert load(*where, "--json") == DONE
    assert json.loads(capsys.readouterr().out)["status"] == "loaded"
    count = warehouse.rows(f"SELECT count(*) FROM {warehouse.table(dataset, 'trials')}")
    assert count == [(3,)]
    assert main(["status", *where[:2], "--dataset", dataset, "--json"]) == DONE
    assert json.loads(capsys.readouterr().out)["project"] == PROJECT
    warehouse.drop(dataset)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATASET_NAME_LAYOUT", "team_%s"),
        ("PIPELINES__DEV_MODE", "true"),
        ("REFRESH", "drop_sources"),
        ("LOAD__RAISE_ON_FAILED_JOBS", "false"),
        ("NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_ID", "true"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_settings_of_dlt_that_loads_cannot_work_with(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    for command in ("check", "load"):
        assert main([command, "--project", PROJECT]) == MISUSED
        said = capsys.readouterr()
        assert "dlt's setting " in said.out + said.err
        assert f"{variable.rsplit('__', maxsplit=1)[-1].lower()} has a value that loads of weave_eval cannot work" in (
            said.out + said.err
        )


@pytest.mark.slow
def test_settings_of_dlt_that_loads_work_with(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in {
        "LOAD__WORKERS": "1",
        "LOAD__DELETE_COMPLETED_JOBS": "true",
        "LOAD__TRUNCATE_STAGING_DATASET": "true",
        "LOAD__PARALLELISM_STRATEGY": "sequential",
        "LOAD__AUTO_ABORT_ON_TERMINAL_ERROR": "true",
        "NORMALIZE__WORKERS": "2",
        "EXTRACT__NEXT_ITEM_MODE": "fifo",
        "EXTRACT__WORKERS": "1",
        "DATA_WRITER__DISABLE_COMPRESSION": "true",
        "DATA_WRITER__FILE_MAX_ITEMS": "1",
        "SCHEMA__NAMING": "direct",
        "RESTORE_FROM_DESTINATION": "false",
        "ENABLE_RUNTIME_TRACE": "false",
        "EXPORT_SCHEMA_PATH": str(folder / "exported"),
        "DATASET_NAME": "elsewhere",
        "PIPELINE_NAME": "theirs",
        "DESTINATION_TYPE": "filesystem",
        "DESTINATION__DUCKDB__DEFAULT_SCHEMA_NAME": "other",
    }.items():
        monkeypatch.setenv(variable, value)
    for words in ((), ("--full",), ()):
        assert load(*words) == DONE
    assert trial_count(folder / "weave_eval.duckdb", "weave") == 3
