"""Profiles of `destinations.toml` as dlt's named destinations.

A profile names its `type`, its `dataset`, and dlt's settings for it. dlt asks environment variables and its own
secrets and config files first, so these complete and override a profile.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import dlt
import tomlkit
from dlt.common.configuration.providers import CustomLoaderDocProvider
from dlt.common.destination import Destination
from dlt.common.normalizers.naming.snake_case import NamingConvention
from dlt.common.schema import Schema
from tomlkit.exceptions import TOMLKitError

from ..errors import SettingsError
from ..schema import SCHEMA_NAME
from .base import Warehouse
from .location import Location
from .registry import warehouse_of, warehouses

DESTINATIONS_FILE = "destinations.toml"
DEFAULT_PROFILE = "duckdb"
DEFAULT_DATASET = "weave"

_BUILT_IN = {DEFAULT_PROFILE: {"type": "duckdb", "dataset": DEFAULT_DATASET, "credentials": "weave_eval.duckdb"}}

_SPELLABLE = re.compile(r"[ -~]*[A-Za-z0-9][ -~]*")
"""Names of datasets of which nothing is lost but case and what stands between words."""

_DECLARED: dict[str, dict[str, Any]] = {"destination": {}}
"""The settings of the profiles in use, as dlt looks them up."""


@dataclass(frozen=True)
class Profile:
    """A named destination: its warehouse's type, its dataset, dlt's settings for it, and where the views go."""

    name: str
    type: str
    dataset: str
    settings: dict[str, Any]
    has_views: bool = True
    views_dataset: str | None = None

    @property
    def warehouse(self) -> Warehouse:
        """What is particular to warehouses of its type."""
        return warehouse_of(self.type)

    @property
    def makes_views(self) -> bool:
        """Whether loads make views: the profile wants them, and there are some for its warehouse."""
        return self.has_views and self.warehouse.dialect is not None

    @property
    def dataset_of_views(self) -> str:
        """The dataset that holds the views: that of the tables, unless the profile names another."""
        return self.views_dataset or self.dataset

    def destination(self, staging_layout: str | None = None) -> Destination[Any, Any]:
        """The dlt destination; `staging_layout` names its staging dataset, with `%s` for the dataset.

        Raises `SettingsError` if its driver is not installed.
        """
        _require_drivers(self)
        _register(self)
        options = {"staging_dataset_name_layout": staging_layout} if staging_layout else {}
        return dlt.destination(self.name, **options)

    def location(self) -> Location:
        """Where the profile leads, once dlt has completed it. Raises dlt's errors about what is missing."""
        destination = self.destination()
        spec = destination.spec()._bind_dataset_name(self.dataset)  # noqa: SLF001 - as dlt's own pipeline does
        config = destination.client(Schema(SCHEMA_NAME), spec).config
        credentials = config.credentials
        file = Path(credentials.database).absolute() if self.warehouse.is_file else None
        return Location(self.type, self.dataset, config.fingerprint(), credentials, file)

    def credential_variable(self) -> str:
        """Start of the names of the environment variables that hold the profile's credentials."""
        return f"DESTINATION__{self.name.upper()}__CREDENTIALS"


def profiles(path: Path | None = None) -> dict[str, Profile]:
    """All profiles of `path`, or of `destinations.toml` in the current folder, or the built-in one.

    `WEAVE_EVAL_DESTINATIONS` names another file. Raises `SettingsError` for a file that cannot be used.
    """
    named = path or _named_file()
    source = named or Path(DESTINATIONS_FILE)
    if not source.exists():
        if named:
            raise SettingsError(f"There is no file {source}. Name the file that declares your destinations.")
        return {name: _profile(name, declared, source) for name, declared in _BUILT_IN.items()}
    declared = _read(source)
    found = {name: _profile(name, settings, source) for name, settings in declared.items()}
    _require_apart(declared, source)
    return found


def profile(name: str | None = None, path: Path | None = None, dataset: str | None = None) -> Profile:
    """The profile of that name, or the default one, with another dataset if one is given.

    The setting `default_destination` names the default. The views of another dataset go beside its tables, for those
    of the profile's own stay as they are. Raises `SettingsError` if there is no such profile.
    """
    known = profiles(path)
    name = name or dlt.config.get("sources.weave_eval.default_destination", str) or DEFAULT_PROFILE
    if name not in known:
        names = ", ".join(sorted(known))
        raise SettingsError(f"There is no destination {name!r}. {DESTINATIONS_FILE} declares: {names}.")
    found = known[name]
    if dataset is None or _dataset_name(dataset) == found.dataset:
        return found
    return replace(found, dataset=_dataset_name(dataset), views_dataset=None)


def _named_file() -> Path | None:
    named = os.environ.get("WEAVE_EVAL_DESTINATIONS")
    return Path(named) if named else None


def _read(path: Path) -> dict[str, Any]:
    try:
        document = tomlkit.parse(path.read_text(encoding="utf-8")).unwrap()
    except (OSError, UnicodeDecodeError, TOMLKitError) as error:
        raise SettingsError(f"{path} cannot be read as TOML: {error}") from None
    if not document:
        raise SettingsError(f"{path} declares no destination. Add one, such as [duckdb] with type = 'duckdb'.")
    return document


def _profile(name: str, declared: Any, path: Path) -> Profile:
    if not isinstance(declared, dict) or "type" not in declared:
        raise SettingsError(f"{path}: {name} is not a profile; write [{name}] with a type ({_known_types()}).")
    settings = dict(declared)
    kind = settings.pop("type")
    dataset = _declared_dataset(settings.pop("dataset", DEFAULT_DATASET), "dataset", name, path)
    views_dataset = settings.pop("views_dataset", None)
    has_views = settings.pop("views", True)
    if all(kind != known.type for known in warehouses()):
        raise SettingsError(f"{path}: [{name}] has type {kind!r}; known types are {_known_types()}.")
    if not isinstance(has_views, bool):
        raise SettingsError(f"{path}: [{name}] has views {has_views!r}; write true or false.")
    if views_dataset is not None:
        views_dataset = _declared_dataset(views_dataset, "views_dataset", name, path)
    return Profile(name, kind, dataset, settings, has_views, views_dataset)


def _require_apart(declared: dict[str, Any], path: Path) -> None:
    """Raises `SettingsError` if datasets that are written differently have one name in the warehouse."""
    spelled: dict[str, str] = {}
    for settings in declared.values():
        for dataset in (settings[key] for key in ("dataset", "views_dataset") if settings.get(key) is not None):
            other = spelled.setdefault(_dataset_name(dataset), dataset)
            if other != dataset:
                raise SettingsError(
                    f"{path}: the datasets {other!r} and {dataset!r} would both be {_dataset_name(dataset)!r} in a "
                    "warehouse. Give them different names, or write them alike if they are one."
                )


def _known_types() -> str:
    return ", ".join(known.type for known in warehouses())


def _declared_dataset(dataset: Any, key: str, name: str, path: Path) -> str:
    if not isinstance(dataset, str) or not dataset.strip():
        raise SettingsError(f"{path}: [{name}] has {key} {dataset!r}; give it a name, such as {DEFAULT_DATASET!r}.")
    return _dataset_name(dataset)


def _dataset_name(dataset: str) -> str:
    """The name as dlt spells it in every warehouse: in snake case.

    Raises `SettingsError` for a name with letters that would be lost, and with them what tells it from others.
    """
    if not _SPELLABLE.fullmatch(dataset):
        raise SettingsError(
            f"The dataset {dataset!r} cannot be spelled in every warehouse: name it with letters of English (a-z), "
            "digits and _."
        )
    return NamingConvention().normalize_table_identifier(dataset)


def _require_drivers(profile: Profile) -> None:
    missing = [module for module in profile.warehouse.drivers if not _is_installed(module)]
    if missing:
        raise SettingsError(
            f"The destination {profile.name!r} needs {' and '.join(missing)}, which is not installed. "
            f'Install it with: pip install "{profile.warehouse.requirement}"'
        )


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _register(profile: Profile) -> None:
    """Lets dlt look up the profile's settings, after its own providers."""
    _DECLARED["destination"][profile.name] = {**profile.settings, "destination_type": profile.warehouse.destination}
    name = DESTINATIONS_FILE
    provider = CustomLoaderDocProvider(name, lambda: _DECLARED, supports_secrets=True, locations=[name])
    if all(known.name != name for known in dlt.config.config_providers):
        dlt.config.register_provider(provider)
