"""URLs of S3 for a browser or a program that has no access key: it sends or gets the bytes there by itself."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from s3gw.accounts.presigned import LONGEST, Narrowed, signer_for
from s3gw.addresses import s3_address
from s3gw.api.caller import TheCaller
from s3gw.api.file_calls import Asker, TheAsker
from s3gw.api.models import Body, Id, time_of
from s3gw.api.route import Route
from s3gw.auth.presign import Signer, presigned
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.grants import LONGEST_PATH
from s3gw.operations.call import Call, Output
from s3gw.operations.table import OPERATIONS, Row
from s3gw.problems import Fault, Invalid

router = APIRouter(tags=["uploads"], route_class=Route)
_ENDPOINT = r"^https?://[A-Za-z0-9._:\[\]-]+$"
_MOST_PARTS = 1000


async def _nothing(call: Call, input: Any) -> Output:
    """It was asked whether it may be done."""
    return {}


MAY_PUT = Row(_nothing, OPERATIONS["PutObject"].needs, creates_object=True)


class Presign(Body):
    operation: Literal["get", "put", "multipart"]
    path: Annotated[str, Field(min_length=1, max_length=LONGEST_PATH, pattern=r"^[^\x00]+$")]
    expires_in: Annotated[int, Field(ge=1, le=LONGEST, description="Seconds.")] = 3600
    mime_type: Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[!-~]([ -~]*[!-~])?$")] | None = Field(
        None, description="Of what is put: it has to be sent with it."
    )
    parts: Annotated[int, Field(ge=1, le=_MOST_PARTS)] | None = Field(
        None, description="Of a multipart upload: URLs for so many."
    )
    endpoint: Annotated[str, Field(max_length=255, pattern=_ENDPOINT)] | None = Field(
        None, description="Where S3 is reached, https://s3.example.com; default: S3GW_S3_URL."
    )


class SignedRequest(BaseModel):
    """`headers` have to be sent as they are."""

    method: str
    url: str
    headers: dict[str, str] = {}


class SignedPart(SignedRequest):
    part_number: int


class Presigned(BaseModel):
    """`request` is the single one. Of a multipart upload there are `parts`, `complete`, which is sent S3's document
    with the parts' ETags, and `abort`.
    """

    expires_at: datetime
    request: SignedRequest | None = None
    upload_id: str | None = None
    parts: list[SignedPart] | None = None
    complete: SignedRequest | None = None
    abort: SignedRequest | None = None


@router.post("/buckets/{bucket_id}/presign")
async def presign(bucket_id: Id, body: Presign, asker: TheAsker, caller: TheCaller) -> Presigned:
    """Signed by a key that may do nothing else. The URLs end with the session, and when the caller may not do it."""
    bucket = await asker.bucket(bucket_id)
    if (body.operation == "multipart") != (body.parts is not None):
        raise Invalid("it isn't asked for rightly", faults=(Fault("parts", "of a multipart upload, and only there"),))
    base = _endpoint(asker, body)
    upload_id = await _ask(asker, bucket, body)
    actions = _ACTIONS[body.operation]
    signer = await signer_for(asker.services, caller, Narrowed(actions, bucket.name, body.path), body.expires_in)
    signed = _Signed(signer, base, bucket.name, body.path)
    expires_at = time_of((signer.at + signer.lifetime) * 1_000_000)
    if upload_id is None:
        headers = {"content-type": body.mime_type} if body.operation == "put" and body.mime_type else {}
        return Presigned(expires_at=expires_at, request=signed.request(body.operation.upper(), {}, headers))
    of_upload = {"uploadId": upload_id}
    numbers = range(1, (body.parts or 0) + 1)
    parts = [
        SignedPart(
            part_number=number,
            **signed.request("PUT", {"partNumber": str(number), **of_upload}).model_dump(),
        )
        for number in numbers
    ]
    return Presigned(
        expires_at=expires_at,
        upload_id=upload_id,
        parts=parts,
        complete=signed.request("POST", of_upload),
        abort=signed.request("DELETE", of_upload),
    )


_ACTIONS = {
    "get": ("s3:GetObject",),
    "put": ("s3:PutObject",),
    "multipart": ("s3:PutObject", "s3:AbortMultipartUpload"),
}


async def _ask(asker: Asker, bucket: Bucket, body: Presign) -> str | None:
    """Whether the caller may do it now; a multipart upload is begun, and its id told."""
    if body.operation == "get":
        await asker.head(bucket, Key=body.path)
        return None
    if body.operation == "put":
        await asker.perform(asker.call("PutObject", bucket, Key=body.path), MAY_PUT)
        return None
    kind = {} if body.mime_type is None else {"ContentType": body.mime_type}
    begun = await asker.perform(asker.call("CreateMultipartUpload", bucket, Key=body.path, **kind))
    return str(begun["UploadId"])


def _endpoint(asker: Asker, body: Presign) -> str:
    """Raises Invalid where nobody says it."""
    settings = asker.services.settings
    known = body.endpoint or s3_address(asker.base_url, settings.s3_url, settings.listen)
    if known is None:
        raise Invalid("where S3 is reached isn't known", faults=(Fault("endpoint", "Field required"),))
    return known


class _Signed:
    def __init__(self, signer: Signer, base: str, bucket: str, key: str) -> None:
        self._signer, self._base, self._bucket, self._key = signer, base, bucket, key

    def request(self, method: str, query: dict[str, str], headers: dict[str, str] | None = None) -> SignedRequest:
        headers = headers or {}
        url = presigned(self._signer, method, self._base, self._bucket, self._key, query, headers)
        return SignedRequest(method=method, url=url, headers={name.title(): value for name, value in headers.items()})
