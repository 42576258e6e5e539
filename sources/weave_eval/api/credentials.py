"""The API key and the base URL, found where W&B's own tools look for them."""

from __future__ import annotations

import configparser
import netrc
import os
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import MissingKeyError, SettingsError

CLOUD_APP = "https://api.wandb.ai"
CLOUD_TRACE = "https://trace.wandb.ai"
FORGE = "forge.coreweave.com"
_CLOUD_HOSTS = ("api.wandb.ai", f"api.{FORGE}", FORGE)
"""Hosts of one deployment, W&B's cloud (`wandb/sdk/lib/urls.py`, 0.31.0): they share keys, projects and Weave's API."""

_CLOUD_LOGINS = (f"api.{FORGE}", "api.wandb.ai")
"""Hosts for which `wandb login` has written a key of the cloud to the netrc file, the present one first."""

_KEY_PAGE = "https://wandb.ai/authorize"


def app_base_url() -> str:
    """URL of the W&B app: WANDB_PUBLIC_BASE_URL, WANDB_BASE_URL, the W&B settings files, or the cloud."""
    for name in ("WANDB_PUBLIC_BASE_URL", "WANDB_BASE_URL"):
        if os.environ.get(name):
            return os.environ[name].rstrip("/")
    return (_setting("base_url") or CLOUD_APP).rstrip("/")


def trace_base_url(given: str | None = None) -> str:
    """Base URL of Weave's API: `given`, WF_TRACE_SERVER_URL, `<app>/traces`, or the cloud's."""
    url = given or os.environ.get("WF_TRACE_SERVER_URL")
    if url:
        return url.rstrip("/")
    app = app_base_url()
    return CLOUD_TRACE if _host(app) in _CLOUD_HOSTS else f"{app}/traces"


def web_base_url(trace_url: str) -> str:
    """URL under which people see projects, for a base URL of Weave's API: in the app that the user has set up."""
    if trace_url == CLOUD_TRACE:
        return f"https://{FORGE}/wandb" if _host(app_base_url()).endswith(FORGE) else "https://wandb.ai"
    return trace_url.removesuffix("/traces")


def api_key(given: str | None = None) -> str:
    """The key: `given`, WANDB_API_KEY, or the netrc file's password for the W&B host.

    Raises `MissingKeyError` without one, and `SettingsError` for one that cannot be a key.
    """
    key = (given or "").strip() or os.environ.get("WANDB_API_KEY", "").strip()
    broken: list[str] = []
    key = key or (_netrc_key(broken) or "").strip()
    if not key:
        unread = "".join(f" {text}" for text in broken)
        raise MissingKeyError(
            f"No W&B API key was found: not in WANDB_API_KEY, not in dlt's secrets, not in the netrc file.{unread} "
            f"Get one at {_KEY_PAGE} and set WANDB_API_KEY."
        )
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise SettingsError(
            "The W&B API key that was found holds a character that no key has: a space, a line break, or one that is "
            f"not ASCII. Copy it again from {_KEY_PAGE} and set WANDB_API_KEY."
        )
    return key


def _netrc_key(broken: list[str]) -> str | None:
    """The netrc file's key; files that cannot be read are named in `broken`, without what they hold."""
    own = _host(app_base_url())
    hosts = _CLOUD_LOGINS if own in _CLOUD_HOSTS else (own,)
    for path in _netrc_files():
        try:
            found = netrc.netrc(str(path))
        except FileNotFoundError:
            continue
        except netrc.NetrcParseError as error:
            broken.append(f"{path} cannot be understood from line {error.lineno} on.")
            continue
        except (OSError, UnicodeDecodeError) as error:
            broken.append(f"{path} cannot be read ({type(error).__name__}).")
            continue
        for entry in map(found.authenticators, hosts):
            if entry and entry[2]:
                return entry[2]
    return None


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _netrc_files() -> list[Path]:
    named, home = os.environ.get("NETRC"), _home()
    if named:
        return [Path(os.path.expanduser(named))]  # noqa: PTH111 - that of pathlib fails where there is no home
    return [home / name for name in (".netrc", "_netrc")] if home else []


def _home() -> Path | None:
    """The user's home folder; None in a container whose user has no entry and no HOME."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def _setting(name: str) -> str | None:
    home, named = _home(), os.environ.get("WANDB_CONFIG_DIR")
    folders = [Path("wandb"), *([Path(named)] if named else [home / ".config" / "wandb"] if home else [])]
    for path in (folder / "settings" for folder in folders):
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read(path, encoding="utf-8")
            value = parser.get("default", name, fallback=None)
        except (configparser.Error, OSError, UnicodeDecodeError):
            continue
        if value:
            return value
    return None
