"""dlt's errors as sentences: which setting is missing, what the warehouse said, or the error a resource raised."""

from __future__ import annotations

import errno
import re
import shutil
import tempfile
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path, PurePath

from dlt.common.configuration.exceptions import (
    ConfigFieldMissingException,
    ConfigurationException,
    FieldLookupTraces,
    LookupTraces,
)
from dlt.common.configuration.specs.base_configuration import is_secret_hint
from dlt.common.destination.exceptions import DestinationException
from dlt.common.pipeline import get_dlt_pipelines_dir
from dlt.extract.exceptions import ResourceExtractionError
from dlt.pipeline.exceptions import PipelineConfigMissing, PipelineStepFailed

from ..api.redaction import redacted
from ..errors import (
    OUT_OF_MEMORY,
    BusyError,
    DefectError,
    DestinationError,
    SettingsError,
    WeaveEvalError,
    causes,
)
from .profiles import Profile

_PASSWORD_IN_URL = re.compile(r"(://[^:/@\s]*):\S+@")
_LONGEST = 600
_LITTLE = 1_000_000  # bytes that are free where a disk counts as full
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def destination_errors(profile: Profile) -> Iterator[None]:
    """Turns dlt's errors into `SettingsError`, `DestinationError`, or what a resource raised."""
    try:
        yield
    except (PipelineStepFailed, PipelineConfigMissing, DestinationException, ConfigurationException) as error:
        raise explained(error, profile) from None
    except OSError as error:
        known = _known(error, profile)
        if known is None:
            raise
        raise known from None


@contextmanager
def busy_if_in_use(profile: Profile, undone: str = "Nothing was done") -> Iterator[None]:
    """Turns the error about a file that is in use into `BusyError`, which says so, and what is `undone`."""
    try:
        yield
    except DestinationError as error:
        holder = profile.warehouse.file_holder(str(error))
        if holder is None:
            raise
        who = f" ({holder})" if holder else ""
        raise BusyError(
            f"The {profile.warehouse.title} file of the destination {profile.name!r} is open in another program{who}, "
            f"such as a load. {undone}; run again later."
        ) from None


def explained(error: BaseException, profile: Profile) -> WeaveEvalError:
    """The error to show for one that dlt or SQLAlchemy raised."""
    chain = list(causes(error))
    for cause in chain:
        known = _known(cause, profile)
        if known:
            return known
    for wrapper, cause in pairwise(chain):
        if isinstance(wrapper, ResourceExtractionError) and not isinstance(cause, (OSError, DestinationException)):
            return _defect(cause)
    refused = f"The destination {profile.name!r} ({profile.type}) refused"
    words = one_line(chain[-1], _secrets(profile))
    if not isinstance(error, PipelineStepFailed):
        return DestinationError(f"{refused}: {words}")
    return DestinationError(
        f"{refused} in its step {error.step!r}: {words} "
        "What was loaded before stays, and the next load goes on from there."
    )


def _known(cause: BaseException, profile: Profile) -> WeaveEvalError | None:
    """The error for a cause that says by itself what is wrong."""
    if isinstance(cause, WeaveEvalError):
        return cause
    if isinstance(cause, ConfigFieldMissingException):
        return _incomplete(cause, profile)
    if isinstance(cause, ConfigurationException):
        return _unusable(cause, profile)
    if isinstance(cause, MemoryError):
        return WeaveEvalError(OUT_OF_MEMORY)
    return _known_of_files(cause, profile) if isinstance(cause, OSError) else None


def _known_of_files(error: OSError, profile: Profile) -> DestinationError | None:
    if is_out_of_room(error):
        return _full(error, profile)
    if isinstance(error, FileNotFoundError) and error.filename:
        return DestinationError(
            f"{error.filename} is gone, which the load had made and needs: was its folder removed? What was loaded "
            "before stays, and the next load goes on from there."
        )
    return None


def _defect(error: BaseException) -> DefectError:
    """An error of our own code while it reads, such as a TypeError. Its text may quote what privacy rules withhold."""
    *_, place = traceback.extract_tb(error.__traceback__) or [traceback.FrameSummary("?", 0, "?")]
    where = f"{PurePath(place.filename).name}, line {place.lineno}"
    return DefectError(
        f"A defect of weave_eval ended the load ({type(error).__name__} in {where}). What was loaded before stays. "
        "Another attempt will end the same way: report this line, with the versions that `weave-eval check` shows."
    )


def is_out_of_room(error: BaseException) -> bool:
    """Whether the disk is full."""
    return isinstance(error, OSError) and error.errno in _NO_ROOM


def _full(error: OSError, profile: Profile) -> DestinationError:
    places = [str(error.filename)] if error.filename else _full_folders(profile)
    where = f" ({', '.join(places)})" if places else ""
    return DestinationError(
        f"The disk is full{where}: {error.strerror}. What was loaded before stays, and the next load goes on from "
        "there. Make room, or have DLT_DATA_DIR name a folder with more for dlt's working files."
    )


def _full_folders(profile: Profile) -> list[str]:
    """Folders that loads write to and in whose file system next to nothing is left; the error says only that one is."""
    folders = [Path(get_dlt_pipelines_dir()), Path(tempfile.gettempdir())]
    with suppress(ConfigurationException, WeaveEvalError):
        file = profile.location().database_file
        folders += [file.parent] if file else []
    there = [folder for folder in dict.fromkeys(folders) if folder.exists()]
    return [str(folder) for folder in there if shutil.disk_usage(folder).free < _LITTLE]


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


def _secrets(profile: Profile) -> list[str]:
    """What dlt considers secret in the profile's credentials, as far as they can be resolved."""
    try:
        credentials = profile.location().credentials
    except (ConfigurationException, WeaveEvalError):
        return []
    fields = credentials.get_resolvable_fields().items()
    values = [getattr(credentials, name) for name, hint in fields if is_secret_hint(hint)]
    return [value for value in values if isinstance(value, str)]


def one_line(error: BaseException, secrets: Iterable[str] = ()) -> str:
    """An error's text as one sentence on one line, without passwords."""
    text = redacted(str(error), secrets)
    text = " ".join(text.split()) or type(error).__name__
    shown = _PASSWORD_IN_URL.sub(r"\1:***@", text)[:_LONGEST].rstrip(".")
    return shown if shown.endswith(("!", "?")) else f"{shown}."
