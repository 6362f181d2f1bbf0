"""The errors of a page without a session. Each is an HTTP error, which Quart answers with its status."""

from __future__ import annotations

import random
import secrets

from werkzeug.exceptions import (
    BadRequest,
    GatewayTimeout,
    HTTPException,
    InternalServerError,
    NotFound,
    ServiceUnavailable,
    TooManyRequests,
)


def retry_after() -> int:
    """Return seconds for Retry-After, random, so that refused clients do not all come back together."""
    return random.randint(2, 6)  # noqa: S311


class EmbedError(HTTPException):
    """Base class: a page gets no session. ``name`` is a heading, ``description`` says what to do."""

    title = "This page has no plot"

    @property
    def name(self) -> str:
        return self.title


class UnknownApplication(EmbedError, NotFound):
    """404: no application has this name."""

    title = "There is no such application"

    def __init__(self, application: str) -> None:
        super().__init__(f"No application is called “{application}”.")


class ApplicationFailed(EmbedError, InternalServerError):
    """500: the application raised, or left its document empty. ``id`` is in the log too, with the reason."""

    title = "The application failed"

    def __init__(self, application: str, reason: str) -> None:
        self.id = secrets.token_hex(4)
        self.reason = reason
        super().__init__(
            f"“{application}” could not be shown: it failed, or has nothing to show. "
            f"The log of this site has the reason under {self.id}."
        )

    def show_reason(self) -> None:
        """Put the reason into the page too, for the application's author."""
        self.description = f"{self.description} The reason: {self.reason}"


class NoServer(EmbedError, ServiceUnavailable):
    """503 with Retry-After: no Bokeh server is ready to run the application."""

    title = "The plots are not available just now"

    def __init__(self) -> None:
        super().__init__("No Bokeh server is ready. Try again in a moment.", retry_after=retry_after())


class TooManySessions(EmbedError, ServiceUnavailable):
    """503 with Retry-After: every Bokeh server has BOKEH_MAX_SESSIONS live sessions."""

    title = "Too many plots are open"

    def __init__(self) -> None:
        super().__init__(
            "As many plots are open as this site can serve. Try again soon.", retry_after=retry_after()
        )


class TooManyWaiting(EmbedError, ServiceUnavailable):
    """503 with Retry-After: BOKEH_MAX_WAITING pages wait for their sessions already."""

    title = "Too many people are waiting"

    def __init__(self) -> None:
        super().__init__(
            "Many pages are being opened at once. Try again in a moment.", retry_after=retry_after()
        )


class TooManyFromOne(EmbedError, TooManyRequests):
    """429 with Retry-After: too many pages of one visitor, or of one address, wait for their sessions."""

    title = "You are opening too many pages at once"

    def __init__(self) -> None:
        super().__init__(
            "Some of your pages are still on their way. Try again when they are there.",
            retry_after=retry_after(),
        )


class PullTimedOut(EmbedError, GatewayTimeout):
    """504: the application was not there within BOKEH_PULL_TIMEOUT."""

    title = "The application is taking too long"

    def __init__(self, application: str, seconds: float) -> None:
        super().__init__(f"“{application}” was not ready within {seconds:g} seconds. Try again.")


class OriginNotAllowed(EmbedError, BadRequest):
    """400: the page was opened under a host name from which the Bokeh server accepts no websocket."""

    title = "Open this page under another name"

    def __init__(self, host: str) -> None:
        super().__init__(
            f"The Bokeh server does not accept pages of “{host}”. Open the site as localhost, or name its "
            "hosts in the environment variable BOKEH_ALLOW_WS_ORIGIN."
        )
