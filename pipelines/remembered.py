"""What dlt works out again and again, and need not: a third of what a small run takes.

None of it changes what dlt does: an answer depends on nothing but what is asked, or on settings, which stay for as
long as a run.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy, deepcopy
from functools import cache
from typing import Any

from dlt.common import validation
from dlt.common.configuration import container, resolve
from dlt.common.configuration.providers import environ
from dlt.common.configuration.specs.base_configuration import BaseConfiguration, is_valid_configspec_field
from dlt.common.configuration.specs.config_section_context import ConfigSectionContext
from dlt.common.schema import schema, utils


def remembering(destination: Any) -> Any:
    """The destination, which knows what it can do: dlt reads all its settings for that, some fifty times a piece."""
    ask = destination.capabilities
    known = cache(ask)

    def capabilities(config: Any = None, naming: Any = None) -> Any:
        if config is None and not (naming and naming.is_case_sensitive):
            # whoever is told changes what it is told
            return copy(known())
        return ask(config, naming)

    destination.capabilities = capabilities
    return destination


# what it has from other modules, too
_lookup: Any = resolve
_turn = threading.Lock()
_at_work = 0
# where nothing is set, with the traces that dlt keeps of it
_unset: dict[tuple[Any, ...], list[Any]] = {}


@contextmanager
def settings_stay() -> Iterator[None]:
    """Until this is left, what is not set stays so: dlt looks for it at dozens of places, again for each table."""
    global _at_work
    with _turn:
        _at_work += 1
    try:
        yield
    finally:
        with _turn:
            _at_work -= 1
            if not _at_work:
                _unset.clear()


def _look_up(key: str, hint: Any, inner_hint: Any, *sections: Any) -> tuple[Any, list[Any]]:
    if not _at_work or _lookup.is_context_inner_hint(inner_hint):
        return _look_everywhere(key, hint, inner_hint, *sections)
    context = container.Container()[ConfigSectionContext]
    place = (key, _lookup.is_secret_hint(hint), sections, context.pipeline_name, context.sections)
    if (seen := _unset.get(place)) is not None:
        return None, list(seen)
    value, traces = _look_everywhere(key, hint, inner_hint, *sections)
    if value is None:
        with _turn:
            # a run that was interrupted may still be looking
            if _at_work:
                _unset[place] = list(traces)
    return value, traces


_PLAIN = {str, int, bool, type(None)}


def _copied(value: Any) -> Any:
    """A deep copy of a schema, which is made of dicts, lists and plain values."""
    if type(value) is dict:
        return {key: each if type(each) in _PLAIN else _copied(each) for key, each in value.items()}
    if type(value) is list:
        return [_copied(each) for each in value]
    return value if type(value) in _PLAIN else deepcopy(value)


def _remember(module: Any, name: str) -> None:
    """Have a function of the module's work out once what a type says, and not for each value of that type."""
    ask = getattr(module, name)
    known: dict[Any, Any] = {}

    def remembered(of: Any, **how: Any) -> Any:
        # a module asks for all types in the same way
        try:
            if of not in known:
                known[of] = ask(of, **how)
            return known[of]
        except TypeError:
            # some cannot be hashed
            return ask(of, **how)

    setattr(module, name, remembered)


@cache
def _fields(kind: type[BaseConfiguration]) -> int:
    return sum(map(is_valid_configspec_field, kind.__dataclass_fields__.values()))


_KINDS = {
    validation: """get_type_hints extract_union_types is_callable_type is_dict_generic_type is_list_generic_type
        is_literal_type is_optional_type is_typeddict is_union_type""",
    resolve: """extract_inner_hint is_base_configuration_inner_hint is_context_inner_hint is_hint_not_resolvable
        is_optional_type is_secret_hint is_union_type""",
    environ: "is_secret_hint",
}
for module, names in _KINDS.items():
    for name in names.split():
        _remember(module, name)
container.is_subclass = cache(container.is_subclass)  # type: ignore[attr-defined]
# the fields are counted wherever it is asked whether there is a configuration
BaseConfiguration.__len__ = lambda self: _fields(type(self))  # type: ignore[method-assign]
_look_everywhere = resolve._resolve_single_value
resolve._resolve_single_value = _look_up  # type: ignore[assignment]
for module in (schema, utils):
    module.deepcopy = _copied  # type: ignore[attr-defined]
