"""Settings that are set and that nobody reads, such as `lookback_day`: most likely misspelt."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from difflib import get_close_matches

import dlt
from dlt.common.configuration.providers import EnvironProvider

_SECTION = ("sources", "weave_eval")
_PREFIX = "__".join((*_SECTION, "")).upper()


def unknown_settings(known: Collection[str]) -> list[str]:
    """A sentence for each setting of the source in the environment and in dlt's files that is not one of `known`.

    Tables, such as `[sources.weave_eval.extract]`, are dlt's.
    """
    return [_sentence(place, name, known) for place, name in _set_names() if name not in known]


def _set_names() -> Iterator[tuple[str, str]]:
    """What is set in the section of the source: where, and its name."""
    for variable in sorted(os.environ):
        name = variable.removeprefix(_PREFIX)
        if name != variable and "__" not in name:
            yield variable, name.lower()
    for provider in dlt.config.config_providers:
        if not isinstance(provider, EnvironProvider):
            found, _ = provider.get_value(_SECTION[-1], dict, "", *_SECTION[:-1])
            for name, value in (found or {}).items():
                if not isinstance(value, dict):
                    yield f"{name} in [{'.'.join(_SECTION)}] of {provider.name}", name


def _sentence(place: str, name: str, known: Collection[str]) -> str:
    close = get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else "see the settings in the README."
    return f"{place} is no setting; {hint}"
