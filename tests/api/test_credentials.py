from __future__ import annotations

from pathlib import Path

import pytest

from weave_eval.api.credentials import api_key, app_base_url, trace_base_url, web_base_url
from weave_eval.errors import MissingKeyError

VARIABLES = (
    "WANDB_API_KEY",
    "WANDB_BASE_URL",
    "WANDB_PUBLIC_BASE_URL",
    "WF_TRACE_SERVER_URL",
    "WANDB_CONFIG_DIR",
    "NETRC",
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home directory that is the working directory's sibling, and no W&B variable set."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name in ("home", "work"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "home"


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _settings(folder: Path, base_url: str) -> None:
    _write(folder / "settings", f"[default]\nentity = acme\nbase_url = {base_url}\n")


def _machine(host: str, password: str) -> str:
    return f"machine {host}\n  login user\n  password {password}\n"


def test_the_cloud_is_the_default(home: Path) -> None:
    assert home.exists()
    assert app_base_url() == "https://api.wandb.ai"
    assert trace_base_url() == "https://trace.wandb.ai"


def test_the_app_url_is_found_in_order(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _settings(home / ".config" / "wandb", "https://home.example/")
    assert app_base_url() == "https://home.example"
    _settings(home.parent / "elsewhere", "https://elsewhere.example")
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(home.parent / "elsewhere"))
    assert app_base_url() == "https://elsewhere.example"
    _settings(Path("wandb"), "https://here.example")
    assert app_base_url() == "https://here.example"
    monkeypatch.setenv("WANDB_BASE_URL", "https://base.example/")
    assert app_base_url() == "https://base.example"
    monkeypatch.setenv("WANDB_PUBLIC_BASE_URL", "https://public.example//")
    assert app_base_url() == "https://public.example"


def test_the_trace_url_is_found_in_order(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _settings(home / ".config" / "wandb", "https://acme.wandb.io")
    assert trace_base_url() == "https://acme.wandb.io/traces"
    monkeypatch.setenv("WF_TRACE_SERVER_URL", "https://trace.example/")
    assert trace_base_url() == "https://trace.example"
    assert trace_base_url("https://given.example/") == "https://given.example"


@pytest.mark.parametrize(
    "url",
    [
        "https://api.wandb.ai",
        "https://api.wandb.ai/",
        "https://api.forge.coreweave.com",
        "https://forge.coreweave.com/api/wandb",
    ],
)
def test_the_clouds_app_url_leads_to_the_clouds_trace_url(
    home: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    assert home.exists()
    monkeypatch.setenv("WANDB_BASE_URL", url)
    assert trace_base_url() == "https://trace.wandb.ai"


def test_empty_variables_count_as_unset(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(home / ".netrc", _machine("api.wandb.ai", "home-key"))
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
    assert trace_base_url("") == "https://trace.wandb.ai"
    assert api_key("") == "home-key"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no section = here\n",
        "[default]\n",
        "[other]\nbase_url = https://x.example\n",
        "[default\n",
        "\x00",
        "[default]\nbase_url =\n",
    ],
)
def test_settings_files_that_say_nothing_are_passed_over(home: Path, text: str) -> None:
    _write(Path("wandb") / "settings", text)
    _settings(home / ".config" / "wandb", "https://home.example")
    assert app_base_url() == "https://home.example"


def test_a_settings_file_of_another_encoding_is_passed_over(home: Path) -> None:
    _write(Path("wandb") / "settings", "")
    (Path("wandb") / "settings").write_bytes(b"[default]\nbase_url = https://\xff.example\n")
    assert home.exists()
    assert app_base_url() == "https://api.wandb.ai"


def test_a_settings_folder_is_passed_over(home: Path) -> None:
    (Path("wandb") / "settings").mkdir(parents=True)
    assert home.exists()
    assert app_base_url() == "https://api.wandb.ai"


def test_a_percent_sign_in_the_settings_is_only_that(home: Path) -> None:
    _settings(home / ".config" / "wandb", "https://acme.example/a%20b")
    assert app_base_url() == "https://acme.example/a%20b"


@pytest.mark.parametrize(
    ("trace", "web"),
    [
        ("https://trace.wandb.ai", "https://wandb.ai"),
        ("https://acme.wandb.io/traces", "https://acme.wandb.io"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
    ],
)
def test_people_see_projects_under_the_web_url(trace: str, web: str) -> None:
    assert web_base_url(trace) == web


@pytest.mark.parametrize(
    ("app", "web"),
    [
        ("https://api.wandb.ai", "https://wandb.ai"),
        ("https://api.forge.coreweave.com", "https://forge.coreweave.com/wandb"),
        ("https://forge.coreweave.com/api/wandb", "https://forge.coreweave.com/wandb"),
    ],
)
def test_pages_of_the_cloud_are_those_of_the_users_app(
    home: Path, monkeypatch: pytest.MonkeyPatch, app: str, web: str
) -> None:
    assert home.exists()
    monkeypatch.setenv("WANDB_BASE_URL", app)
    assert web_base_url(trace_base_url()) == web


def test_a_key_of_the_cloud_is_found_whichever_of_its_hosts_it_was_written_for(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(home / ".netrc", _machine("api.forge.coreweave.com", "forge-key"))
    for app in ("https://api.wandb.ai", "https://api.forge.coreweave.com", "https://forge.coreweave.com/api/wandb"):
        monkeypatch.setenv("WANDB_BASE_URL", app)
        assert api_key() == "forge-key"
    _write(home / ".netrc", _machine("api.wandb.ai", "older-key"))
    assert api_key() == "older-key"
    _write(home / ".netrc", _machine("api.wandb.ai", "older-key") + _machine("api.forge.coreweave.com", "forge-key"))
    assert api_key() == "forge-key"
    monkeypatch.setenv("WANDB_BASE_URL", "https://acme.wandb.io")
    with pytest.raises(MissingKeyError):
        api_key()


def test_the_key_is_found_in_order(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(home / "_netrc", _machine("api.wandb.ai", "underscore-key"))
    assert api_key() == "underscore-key"
    _write(home / ".netrc", _machine("other.example", "other-key") + _machine("api.wandb.ai", "dot-key"))
    assert api_key() == "dot-key"
    named = _write(home.parent / "named.netrc", _machine("api.wandb.ai", "named-key"))
    monkeypatch.setenv("NETRC", str(named))
    assert api_key() == "named-key"
    monkeypatch.setenv("WANDB_API_KEY", " variable-key\n")
    assert api_key() == "variable-key"
    assert api_key("given-key") == "given-key"


def test_a_named_netrc_may_start_at_home_and_stands_alone(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(home / ".netrc", _machine("api.wandb.ai", "dot-key"))
    _write(home / "keys" / "mine", _machine("api.wandb.ai", "mine-key"))
    monkeypatch.setenv("NETRC", "~/keys/mine")
    assert api_key() == "mine-key"
    monkeypatch.setenv("NETRC", "~/keys/nobodys")
    with pytest.raises(MissingKeyError):
        api_key()


def test_a_dedicated_host_has_its_own_key(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(home / ".netrc", _machine("api.wandb.ai", "cloud-key") + _machine("acme.wandb.io", "acme-key"))
    monkeypatch.setenv("WANDB_BASE_URL", "https://acme.wandb.io:8443/")
    assert api_key() == "acme-key"


def test_the_key_of_another_host_is_not_taken(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(home / ".netrc", _machine("api.wandb.ai", "cloud-key"))
    monkeypatch.setenv("WANDB_BASE_URL", "https://acme.wandb.io")
    with pytest.raises(MissingKeyError):
        api_key()


@pytest.mark.parametrize("text", ["", "machine", "gibberish here", "machine api.wandb.ai\n  login user\n"])
def test_a_broken_netrc_is_passed_over(home: Path, text: str) -> None:
    _write(home / ".netrc", text)
    _write(home / "_netrc", _machine("api.wandb.ai", "second-key"))
    assert api_key() == "second-key"


def test_a_netrc_that_cannot_be_read_is_named(home: Path) -> None:
    _write(home / ".netrc", "machine api.wandb.ai\n  login user\n  passwort the-secret\n")
    (home / "_netrc").write_bytes(b"machine \xff\xfe\n")
    with pytest.raises(MissingKeyError) as caught:
        api_key()
    assert f"{home / '.netrc'} cannot be understood from line 3 on." in str(caught.value)
    assert "the-secret" not in str(caught.value)


def test_without_a_home_a_sentence_says_what_to_do(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container whose user has neither HOME nor an entry in the list of users."""
    assert home.exists()

    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nowhere)
    assert app_base_url() == "https://api.wandb.ai"
    with pytest.raises(MissingKeyError):
        api_key()


@pytest.mark.parametrize("blank", [" ", "\n"])
def test_a_blank_key_counts_as_unset(home: Path, monkeypatch: pytest.MonkeyPatch, blank: str) -> None:
    _write(home / ".netrc", _machine("api.wandb.ai", "dot-key"))
    monkeypatch.setenv("WANDB_API_KEY", blank)
    assert api_key() == "dot-key"


def test_without_a_key_a_sentence_says_what_to_do(home: Path) -> None:
    assert home.exists()
    with pytest.raises(MissingKeyError) as caught:
        api_key()
    message = str(caught.value)
    for part in ("No W&B API key was found", "WANDB_API_KEY", "netrc", "https://wandb.ai/authorize"):
        assert part in message
