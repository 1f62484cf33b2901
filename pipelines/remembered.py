"""What dlt works out again and again, and need not: every third call of a function in a small run.

None of it changes what dlt does; each answer depends on nothing but what is asked.
"""

from copy import copy
from functools import cache
from typing import Any

from dlt.common import validation
from dlt.common.configuration import resolve
from dlt.common.configuration.providers import environ
from dlt.common.configuration.specs.base_configuration import BaseConfiguration, is_valid_configspec_field


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


_remember(validation, "get_type_hints")
_remember(environ, "is_secret_hint")
_remember(resolve, "is_secret_hint")
_remember(resolve, "extract_inner_hint")
# the fields are counted wherever it is asked whether there is a configuration
BaseConfiguration.__len__ = lambda self: _fields(type(self))  # type: ignore[method-assign]
