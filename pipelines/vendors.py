"""The list of vendors; the only place that names them all."""

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from dlt.extract import DltSource

    from sources.clock import Clock
    from sources.first_load import FirstLoad
    from sources.ledger import Ledger
    from sources.runs import Run
    from sources.streams import Asked, Stream


class Package(Protocol):
    """What every vendor's package offers."""

    STREAMS: "tuple[Stream, ...]"

    def settings(self) -> Any: ...

    def open_run(
        self, found: Any, *, clock: "Clock", ledger: "Ledger", asked: "Asked", max_wait: timedelta, wait: bool
    ) -> "Run": ...

    def first_load(self, found: Any, run: "Run") -> "FirstLoad": ...


@dataclass(frozen=True)
class Vendor:
    """One vendor: its name, its dataset's name and its package's name are the same."""

    name: str
    secret: str
    # how long `check` waits for a vendor that is over its limit
    patience: ClassVar[timedelta] = timedelta(minutes=2)

    @property
    def secret_setting(self) -> str:
        return f"sources.{self.name}.{self.secret}"

    @cached_property
    def package(self) -> Package:
        """Imported when it is first needed: dlt and pyarrow take their time."""
        return import_module(f"sources.{self.name}")

    def source(self) -> "DltSource":
        """The vendor as one dlt source, a resource for each stream that the settings turn on; raises SettingError.

        Nothing is asked of the vendor before a resource is read.
        """
        source: DltSource = getattr(self.package, self.name)()
        return source

    def stream_of(self, name: str) -> str | None:
        """The stream that is called `name` or fills the table `name`."""
        for stream in self.package.STREAMS:
            if name == stream.name:
                return stream.name
        for stream in self.package.STREAMS:
            if any(table.name == name for table in stream.tables):
                return stream.name
        return None


VENDORS = {
    vendor.name: vendor
    for vendor in (
        Vendor("leadfeeder", "api_key"),
        Vendor("leadfeeder_legacy", "api_token"),
        Vendor("leadsie", "api_key"),
        Vendor("leedo", "api_token"),
    )
}
