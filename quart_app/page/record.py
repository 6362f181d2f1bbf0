"""What this worker has learned from the last view of each page."""

from __future__ import annotations

from dataclasses import dataclass, replace

from quart import has_request_context, request

from quart_app.protocol.outline import Outline


@dataclass(frozen=True)
class PageRecord:
    """The last view of one page: a route with an application, whose pull succeeded."""

    outline: Outline
    """Which scripts the document needed. Its template, which may be large, is not kept."""
    has_template: bool
    """Whether the document had a template of its own."""


class PageRecords:
    """The records of the pages whose last pull succeeded."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, str | None], PageRecord] = {}

    def get(self, application: str) -> PageRecord | None:
        """Return the record of this request's page with the application; None if its last pull failed."""
        return self._records.get(self._key(application))

    def succeeded(self, application: str, outline: Outline) -> None:
        record = PageRecord(replace(outline, template=None), has_template=outline.template is not None)
        self._records[self._key(application)] = record

    def failed(self, application: str) -> None:
        self._records.pop(self._key(application), None)

    def _key(self, application: str) -> tuple[str, str | None]:
        return application, request.endpoint if has_request_context() else None
