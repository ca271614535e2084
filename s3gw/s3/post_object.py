"""PostObject: a form of a browser becomes the PutObject that its fields describe, and is performed as one.

Top to bottom, in AWS's order: fields, who signed the policy, whether the form keeps to it, the Call. The signature is
in the form, so nothing is known of the principal before the fields have come; they are few (wire/form.py).
"""

from __future__ import annotations

import time

from s3gw.auth.authenticate import Authentication, PayloadSpec, authenticate
from s3gw.auth.form_body import FormBody
from s3gw.auth.form_proof import read_form_proof
from s3gw.auth.payload import RECEIVE_INTO, Receive, VerifyingBody
from s3gw.auth.post_policy import SizeRange, parse_post_policy
from s3gw.auth.principal import ANONYMOUS
from s3gw.errors import InvalidArgument, S3Error
from s3gw.metadata import resolve
from s3gw.operations.call import Call, Input
from s3gw.operations.perform import perform
from s3gw.operations.table import OPERATIONS
from s3gw.s3.answer import Answer
from s3gw.s3.form_answer import form_answer
from s3gw.s3.form_fields import FormFields
from s3gw.s3.location import location_of
from s3gw.s3.refused_headers import refusal_of_headers
from s3gw.s3.request_context import RequestContext
from s3gw.services import Services
from s3gw.wire.codec import codec
from s3gw.wire.form import MOST_BEFORE_FILE, Form, wrong_number_of_files
from s3gw.wire.request import Request

_PUT = codec("PutObject")
_UNSIGNED = Authentication(ANONYMOUS, PayloadSpec("unsigned"), False)
_FRAMING = frozenset(("content-length", "transfer-encoding"))


async def post_object(services: Services, answer: Answer, request: Request, receive: Receive) -> None:
    if "authorization" in request.headers:
        raise InvalidArgument("Only one auth mechanism allowed", ArgumentName="Authorization")
    now, largest = time.time(), min(services.settings.max_put, services.settings.max_object)
    sent = _sent_body(services, answer, request, receive, largest)
    body = FormBody(sent, Form(request.headers["content-type"]))
    try:
        await body.read_fields()
        fields = FormFields(body.form)
        key = fields.key
        if not body.form.files:
            raise wrong_number_of_files(0)
        call = await _signed_call(services, answer, request, fields, now)
        body.sizes = (*_sizes_of_policy(request, fields, now), SizeRange(0, largest))
        put = fields.as_put(request)
        _decode(call, put, request, fields, body)
        output = await perform(call, OPERATIONS["PutObject"])
    finally:
        answer.bytes_received = sent.received
    bucket = str(request.target.bucket)
    await answer.send(form_answer(fields.named, _PUT.encode(output), bucket, key, location_of(put)), None)


def _sent_body(services: Services, answer: Answer, request: Request, receive: Receive, largest: int) -> VerifyingBody:
    """Of its headers only the framing counts: digests are those of the file, and in the form."""
    framing = {name: value for name, value in request.headers.items() if name in _FRAMING}
    receive_into = answer.scope.get("extensions", {}).get(RECEIVE_INTO, {}).get("call")
    limit = largest + 2 * MOST_BEFORE_FILE  # as much may come behind the file
    return VerifyingBody(receive, request._replace(headers=framing), _UNSIGNED, services.settings, limit, receive_into)


async def _signed_call(services: Services, answer: Answer, request: Request, fields: FormFields, now: float) -> Call:
    """Of whoever signed the policy. Raises what is wrong with the signature."""
    proof, principal, bucket = read_form_proof(fields.named, services.settings, now), ANONYMOUS, None
    if proof is not None:
        names = proof.access_key_id, request.target.bucket
        found = await services.database.read_shared(resolve.key_and_bucket, *names)
        principal = authenticate(request, proof, found.access_key, services.credentials, now).principal
        services.key_uses.last[proof.access_key_id] = now
        bucket = found.bucket
    answer.principal = principal
    call = Call(services, principal, _target(request, fields), answer.request_id, int(now * 1_000_000))
    call.operation = "PostObject"
    call.bucket, call.context = bucket, RequestContext(request, proof, now, request.client or None)
    return call


def _target(request: Request, fields: FormFields) -> Input:
    owner = request.headers.get("x-amz-expected-bucket-owner")
    named: Input = {"Bucket": request.target.bucket, "Key": fields.key}
    return named if owner is None else {**named, "ExpectedBucketOwner": owner}


def _sizes_of_policy(request: Request, fields: FormFields, now: float) -> tuple[SizeRange, ...]:
    """Raises what the form doesn't keep to. An unsigned policy binds too: whoever sends one means it."""
    if "policy" not in fields.named:
        return ()
    policy = parse_post_policy(fields.named["policy"])
    policy.check(str(request.target.bucket), fields.spelled, now)
    return policy.sizes


def _decode(call: Call, put: Request, request: Request, fields: FormFields, body: FormBody) -> None:
    """Set the call's input and body, or the problem with them, which is told when the call is allowed."""
    call.body = body
    call.problem = refusal = refusal_of_headers("PutObject", {**request.headers, **put.headers})
    try:
        fields.check_headers()
        call.input = _PUT.decode.head(put)
        if (tags := fields.tags()) is not None:
            call.input["Tagging"] = tags
        body.expect(put)
    except S3Error as problem:
        call.problem = refusal or problem
