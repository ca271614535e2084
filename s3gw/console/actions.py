"""Pages with several forms, each of which says by `action` what it is about."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from s3gw.console.api_call import ApiRefusal
from s3gw.console.forms import Fields, action_of, sent_by
from s3gw.console.pages import in_words
from s3gw.console.session import Visitor, visitor_of
from s3gw.console.words import Fault, fault_of
from s3gw.problems import Invalid

# What it has done: where that is shown, or the page that shows it at once.
Action = Callable[[Request, Visitor, Fields], Awaitable[str | Response]]
NOTHING_SENT: Fields = {}


class ShowsPage(Protocol):
    def __call__(
        self, request: Request, visitor: Visitor, status: int, fault: Fault | None, sent: Fields
    ) -> Awaitable[Response]:
        """The page, which tells of what went wrong, with what was sent in its forms."""


async def act(request: Request, actions: Mapping[str, Action], page: ShowsPage | None = None) -> Response:
    """As the form that was sent says. What is refused is told on its page, if that does so; but not that the login has
    ended (401).
    """
    visitor = await visitor_of(request)
    fields = await sent_by(request, visitor)
    does = action_of(fields, actions)
    try:
        done = await does(request, visitor, fields)
    except ApiRefusal as error:
        if error.status == 401 or page is None:
            raise
        answer = await page(request, visitor, error.status, fault_of(request, error), fields)
        request.state.error_code = error.error_code
        if error.retry_after is not None:
            answer.headers["Retry-After"] = error.retry_after
        return answer
    except Invalid as error:
        if page is None:
            raise
        request.state.error_code = error.error_code
        fault = Fault(in_words(request, error.detail), "", error.error_code)
        return await page(request, visitor, error.status, fault, fields)
    return done if isinstance(done, Response) else RedirectResponse(done, 303)


def done_of(request: Request, words: Mapping[str, str]) -> str | None:
    """What a page tells of what was done before it was gone to."""
    return words.get(request.query_params.get("done", "")) if request.method == "GET" else None


class _Sent(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return ""


def sent_again(fields: Fields) -> Mapping[str, str]:
    """For a template that shows again what was sent: of each field the first, "" of those that weren't there."""
    return _Sent({name: values[0] for name, values in fields.items()})
