"""Makes the trace server of a `weave` wheel importable where only the SDK's requirements are installed.

The wheel's server imports a data package that the wheel leaves out, and storage, tracing and LLM clients that
it does not require. Nothing served here uses them, so what is missing is replaced by inert classes; what is
installed wins.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
from collections.abc import Iterator, Sequence
from typing import Any

from typing_extensions import Self

OPTIONAL = (
    "litellm",
    "ddtrace",
    "azure",
    "boto3",
    "botocore",
    "redis",
    "confluent_kafka",
    "emoji",
    "sqlparse",
    "clickhouse_connect",
    "google.cloud.storage",
    "google.cloud.exceptions",
    "google.api_core",
    "google.auth",
    "google.oauth2",
    "openai",
    "weave.trace_server.model_providers",
)
NEVER_REAL = ("weave.scorers",)  # needs numpy and an LLM SDK, and the server scores nothing itself
ERROR_SUFFIXES = ("Error", "Exception", "Timeout", "NotFound", "PreconditionFailed")


def is_dunder(name: str) -> bool:
    return name.startswith("__")


class InertType(type):
    """A class with any attribute, usable in annotations."""

    def __getattr__(cls, name: str) -> Any:
        if is_dunder(name):
            raise AttributeError(name)
        return inert(name)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return type.__call__(cls)

    def __iter__(cls) -> Iterator[Any]:
        return iter(())

    def __or__(cls, other: Any) -> Any:
        return cls

    def __ror__(cls, other: Any) -> Any:
        return cls

    def __getitem__(cls, item: Any) -> Any:
        return cls


class Inert(metaclass=InertType):
    """An object with any attribute; as a decorator it hands the function back."""

    def __getattr__(self, name: str) -> Any:
        if is_dunder(name):
            raise AttributeError(name)
        return inert(name)()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        is_decorator = len(args) == 1 and callable(args[0]) and not kwargs
        return args[0] if is_decorator else self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def __bool__(self) -> bool:
        return False

    def __iter__(self) -> Iterator[Any]:
        return iter(())


def inert(name: str) -> Any:
    if name.endswith(ERROR_SUFFIXES):
        return type(name, (Exception,), {})
    return InertType(name, (Inert,), {})


class InertModule(types.ModuleType):
    """A module with any attribute."""

    def __getattr__(self, name: str) -> Any:
        if is_dunder(name):
            raise AttributeError(name)
        setattr(self, name, inert(name))
        return self.__dict__[name]


class Loader(importlib.abc.Loader):
    """Makes inert modules."""

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        module = InertModule(spec.name)
        module.__path__ = []
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        if module.__name__.endswith("model_providers.model_providers"):
            empty = dict[str, Any]
            vars(module).update(
                read_model_to_provider_info_map=empty,
                read_model_id_to_details_map=empty,
                PROVIDER_TO_API_KEY_NAME_MAP={},
                VERTEX_PROVIDER_NAMES=(),
            )


class Finder(importlib.abc.MetaPathFinder):
    """Finds inert modules below the given names."""

    def __init__(self, roots: Sequence[str]) -> None:
        self.roots = roots

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if any(f"{fullname}.".startswith(f"{root}.") for root in self.roots):
            return importlib.machinery.ModuleSpec(fullname, Loader(), is_package=True)
        return None


def is_missing(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is None
    except (ImportError, ValueError):
        return True


def install() -> None:
    """Lets every later import of a missing optional module succeed."""
    sys.meta_path.append(Finder([name for name in OPTIONAL if is_missing(name)]))
    sys.meta_path.insert(0, Finder(NEVER_REAL))
