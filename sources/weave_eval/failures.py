"""dlt's errors as sentences: which setting is missing, what the warehouse said, or the error a resource raised."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

from dlt.common.configuration.exceptions import (
    ConfigFieldMissingException,
    ConfigurationException,
    FieldLookupTraces,
    LookupTraces,
)
from dlt.common.destination.exceptions import DestinationException
from dlt.pipeline.exceptions import PipelineConfigMissing, PipelineStepFailed
from sqlalchemy.exc import SQLAlchemyError

from .destinations import Profile
from .errors import DestinationError, SettingsError, WeaveEvalError

_PASSWORD_IN_URL = re.compile(r"(://[^:/@\s]+):[^@\s]+@")
_LONGEST = 600
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def destination_errors(profile: Profile) -> Iterator[None]:
    """Turns dlt's and SQLAlchemy's errors into `SettingsError`, `DestinationError`, or what a resource raised."""
    try:
        yield
    except (
        PipelineStepFailed,
        PipelineConfigMissing,
        DestinationException,
        ConfigurationException,
        SQLAlchemyError,
    ) as error:
        raise explained(error, profile) from None


def explained(error: BaseException, profile: Profile) -> WeaveEvalError:
    """The error to show for one that dlt or SQLAlchemy raised."""
    chain = list(_causes(error))
    for cause in chain:
        if isinstance(cause, WeaveEvalError):
            return cause
        if isinstance(cause, ConfigFieldMissingException):
            return _incomplete(cause, profile)
        if isinstance(cause, ConfigurationException):
            return _unusable(cause, profile)
        if isinstance(cause, OSError) and cause.errno in _NO_ROOM:
            return _full(cause)
    refused = f"The destination {profile.name!r} ({profile.type}) refused"
    if not isinstance(error, PipelineStepFailed):
        return DestinationError(f"{refused}: {one_line(chain[-1])}")
    return DestinationError(
        f"{refused} in its step {error.step!r}: {one_line(chain[-1])} "
        "What was loaded before stays, and the next load goes on from there."
    )


def _full(error: OSError) -> DestinationError:
    where = f" ({error.filename})" if error.filename else ""
    return DestinationError(
        f"The disk is full{where}: {error.strerror}. What was loaded before stays, and the next load goes on from "
        "there. Make room, or have DLT_DATA_DIR name a folder with more for dlt's working files."
    )


def _incomplete(error: ConfigFieldMissingException, profile: Profile) -> SettingsError:
    variables = list(_missing(error.traces))
    fields = ", ".join(variable.rpartition("__")[2].lower() for variable in variables)
    return SettingsError(
        f"The destination {profile.name!r} is not complete: it lacks {fields}. {_where(profile, variables[-1])}"
    )


def _unusable(error: ConfigurationException, profile: Profile) -> SettingsError:
    where = _where(profile, f"{profile.credential_variable()}__PASSWORD")
    return SettingsError(f"The destination {profile.name!r} cannot be used: {one_line(error)} {where}")


def _where(profile: Profile, variable: str) -> str:
    return (
        f"Set it in an environment variable ({variable}, or all credentials at once in "
        f"{profile.credential_variable()}), in .dlt/secrets.toml, or in destinations.toml."
    )


def _missing(traces: FieldLookupTraces) -> Iterator[str]:
    """The environment variables, one a field, that dlt looked for in vain."""
    for tries in traces.values():
        first = tries[0]
        if isinstance(first, LookupTraces):
            yield from _missing(first.traces)
        else:
            yield first.key


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from, outermost first."""
    current: BaseException | None = error
    seen: set[int] = set()
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def one_line(error: BaseException) -> str:
    """An error's text as one sentence on one line, without passwords."""
    text = " ".join(str(error).split()) or type(error).__name__
    return _PASSWORD_IN_URL.sub(r"\1:***@", text)[:_LONGEST].rstrip(".") + "."
