"""The bodies of requests and answers. What a request may say is all that it may say: other fields are refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from fastapi import Header
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
)

from s3gw.metadata import identities, sessions, user_names
from s3gw.moments import microseconds_of
from s3gw.problems import NotFound

T = TypeVar("T")
# JSON may have one by itself ("\ud800"), and no encoding of text does.
_HALF = re.compile("[\ud800-\udfff]")
SHOWN_ONCE = {"x-shown-once": True}
# A member of an answer that a repeat of its request doesn't have (idempotency.py).
ShownOnce = Annotated[str | None, Field(json_schema_extra=SHOWN_ONCE, description="Shown this once.")]
UserName = Annotated[str, StringConstraints(pattern=user_names.PATTERN)]
Role = Literal["user", "auditor", "admin"]
MOST_PER_PAGE = 1000


def _id(value: str) -> str:
    try:
        return str(UUID(value))
    except ValueError:
        raise NotFound("there is nothing with this id") from None


# In a path: what is none is nobody's.
Id = Annotated[str, AfterValidator(_id), Field(json_schema_extra={"format": "uuid"})]
IfMatch = Annotated[str | None, Header(max_length=1024, description="The ETag of what is to be changed; else 412.")]


def _written(value: Any) -> Any:
    if not isinstance(value, datetime) and (not isinstance(value, str) or "-" not in value[1:]):
        raise ValueError("should be a time as in 2026-11-27T10:15:00Z")  # pydantic takes seconds since 1970 too
    return value


WRITTEN = BeforeValidator(_written)


def _storable(value: datetime) -> datetime:
    microseconds_of(value)
    return value


Moment = Annotated[AwareDatetime, WRITTEN, AfterValidator(_storable)]
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]  # PostgreSQL's has no NUL


def _without_nul(value: str) -> str:
    if "\0" in value:  # PostgreSQL's text has none, so nothing can have that name
        raise NotFound("there is nothing of that name")
    return value


Name = Annotated[str, AfterValidator(_without_nul)]  # in a path


def stored_moment(value: datetime | None) -> int | None:
    return None if value is None else microseconds_of(value)


class Body(BaseModel):
    """Of a request."""

    model_config = ConfigDict(extra="forbid")

    @field_validator("*")
    @classmethod
    def _is_text(cls, value: Any) -> Any:
        if isinstance(value, str) and "\0" in value:  # PostgreSQL's text has none
            raise ValueError("may not contain NUL")
        for text in (value, *chain.from_iterable(value.items())) if isinstance(value, dict) else (value,):
            if isinstance(text, str) and _HALF.search(text):
                raise ValueError("may not contain half a surrogate pair")
        return value


class Page(BaseModel, Generic[T]):
    """One page of a list; `next_cursor` leads to the one after it, however many there are."""

    items: Sequence[T]
    total: int
    page: int
    per_page: int
    next_cursor: str | None = None


class User(BaseModel):
    id: str
    username: str
    email: str | None
    email_verified: bool
    is_active: bool
    role: Role
    owner_id: str | None = Field(description="The user in whose account it is; null: an account of its own.")
    created_at: datetime
    updated_at: datetime


class Register(Body):
    username: UserName
    email: Annotated[str, Field(max_length=254)]
    password: str
    invitation: Annotated[str, Field(max_length=256)] | None = None


class NewUser(Body):
    username: UserName
    email: Annotated[str, Field(max_length=254)]
    password: str | None = None
    role: Role = "user"
    owner_id: UUID | None = Field(
        None, description="The user in whose account it is, with its groups; default: an account of its own."
    )


class UpdateUser(Body):
    username: Annotated[str, Field(max_length=64, description="As of a new user, or what it is called now.")] | None = (
        None
    )
    email: Annotated[str, Field(max_length=254, description='"" takes it away: by an admin only.')] | None = None
    role: Role | None = None
    is_active: bool | None = None
    current_password: (
        Annotated[str, Field(description="Checked, where it is given, before one's own e-mail address is changed.")]
        | None
    ) = None


class DeleteUser(Body):
    password: str


class SessionModel(BaseModel):
    id: str
    address: str
    user_agent: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    is_current: bool


class NewInvitation(Body):
    email: Annotated[str, Field(max_length=254, description="Where it is sent, and who alone may use it.")] | None = (
        None
    )


class OpenInvitation(BaseModel):
    id: str
    email: str | None
    created_by: str | None = Field(description="A user's name; null: made by the command line.")
    created_at: datetime
    expires_at: datetime


class Invitation(BaseModel):
    id: str
    invitation: ShownOnce
    email: str | None
    expires_at: datetime


class Address(Body):
    email: Annotated[str, Field(max_length=254)]


class LinkToken(Body):
    token: Annotated[str, Field(max_length=256)]


class NewPassword(LinkToken):
    new_password: str


class TokenPair(BaseModel):
    access_token: str
    refresh_token: str
    token_type: Literal["bearer"] = "bearer"
    expires_in: int = Field(description="Seconds that the access token is good for.")


class RefreshToken(Body):
    refresh_token: Annotated[str, Field(max_length=256)]


class ChangePassword(Body):
    current_password: str
    new_password: str


def shown_once(model: Any) -> frozenset[str]:
    """The members of an answer's model that are null in a repeat."""
    fields = model.model_fields if isinstance(model, type) and issubclass(model, BaseModel) else {}
    return frozenset(name for name, field in fields.items() if field.json_schema_extra == SHOWN_ONCE)


def user_model(user: identities.User) -> User:
    return User(
        id=user.id,
        username=user.name,
        email=user.email,
        email_verified=user.email_verified_at is not None,
        is_active=user.is_enabled and user.deleted_at is None,
        role=user.role,  # type: ignore[arg-type]
        owner_id=user.account_owner_id,
        created_at=time_of(user.created_at),
        updated_at=time_of(user.updated_at),
    )


def session_model(session: sessions.Session, current_id: str) -> SessionModel:
    return SessionModel(
        id=session.id,
        address=session.address,
        user_agent=session.user_agent,
        created_at=time_of(session.created_at),
        last_used_at=time_of(session.last_used_at),
        expires_at=time_of(session.expires_at),
        is_current=session.id == current_id,
    )


def time_of(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC)
