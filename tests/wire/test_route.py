"""Every request line picks exactly one operation, whatever the order of rows."""

from __future__ import annotations

import itertools

import pytest

from s3gw.errors import InvalidArgument, MethodNotAllowed, PreconditionFailed
from s3gw.wire.model import operations
from s3gw.wire.request import Request
from s3gw.wire.route import CORS_PREFLIGHT, POST_OBJECT, example_request, example_scope, route, table


def request(method: str, path: str, query: str = "", **headers: str) -> Request:
    return Request.from_scope(
        {
            "method": method,
            "scheme": "http",
            "client": None,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()],
        }
    )


@pytest.mark.parametrize("name", sorted(operations()))
def test_the_example_request_of_an_operation_picks_it_or_the_one_it_yields_to(name: str) -> None:
    operation = operations()[name]
    assert route(example_request(operation)).name == (operation.yields_to or name)


@pytest.mark.parametrize("name", sorted(operations()))
def test_arguments_that_the_model_does_not_know_change_nothing(name: str) -> None:
    operation = operations()[name]
    scope = example_scope(operation)
    scope["query_string"] += b"&x-id=Other&X-Amz-Date=1&response-expires=0&x"
    assert route(Request.from_scope(scope)).name == (operation.yields_to or name)


def test_every_row_is_reached_by_exactly_one_operation() -> None:
    known = table()
    routed = [row.operation.name for rows in known.rows.values() for row in rows]
    routed += [row.operation.name for row in known.fixed.values()]
    assert sorted(routed) == sorted(name for name, operation in operations().items() if operation.yields_to is None)
    for (method, kind, subresource), rows in known.rows.items():
        for row in rows:
            assert (row.operation.method, row.operation.kind) == (method, kind)
            assert row.operation.subresource == subresource


def test_rows_of_one_line_are_ordered_by_what_they_demand() -> None:
    for rows in table().rows.values():
        for first, second in itertools.pairwise(rows):
            assert len(first.conditions) > len(second.conditions) or set(first.conditions) != set(second.conditions)


@pytest.mark.parametrize(
    ("method", "path", "query", "name"),
    [
        ("GET", "/", "", "ListBuckets"),
        ("GET", "/bucket", "list-type=2", "ListObjectsV2"),
        ("GET", "/bucket", "list-type=1", "ListObjects"),
        ("GET", "/bucket", "prefix=acl", "ListObjects"),
        ("GET", "/bucket", "versions&list-type=2", "ListObjectVersions"),
        ("GET", "/bucket", "analytics", "ListBucketAnalyticsConfigurations"),
        ("GET", "/bucket", "analytics&id=1", "GetBucketAnalyticsConfiguration"),
        ("PUT", "/bucket", "analytics", "PutBucketAnalyticsConfiguration"),
        ("GET", "/bucket/key", "uploadId=1", "ListParts"),
        ("GET", "/bucket/key", "partNumber=1", "GetObject"),
        ("GET", "/bucket/key", "acl=", "GetObjectAcl"),
        ("GET", "/bucket/key", "attributes", "GetObjectAttributes"),
        ("POST", "/bucket/key", "select", "SelectObjectContent"),
        ("PUT", "/bucket/key", "partNumber=1&uploadId=2", "UploadPart"),
        ("DELETE", "/bucket/key", "uploadId=2", "AbortMultipartUpload"),
        ("DELETE", "/bucket/key", "", "DeleteObject"),
        ("OPTIONS", "/bucket/key", "acl", "CORSPreflight"),
    ],
)
def test_the_most_specific_match_wins(method: str, path: str, query: str, name: str) -> None:
    assert route(request(method, path, query)).name == name


def test_a_copy_source_makes_a_put_a_copy() -> None:
    assert route(request("PUT", "/bucket/key", x_amz_copy_source="a/b")).name == "CopyObject"
    copied = request("PUT", "/bucket/key", "partNumber=1&uploadId=2", x_amz_copy_source="a/b")
    assert route(copied).name == "UploadPartCopy"


@pytest.mark.parametrize("query", ["partNumber=1", "uploadId=1"])
def test_half_an_upload_part_is_refused(query: str) -> None:
    with pytest.raises(InvalidArgument):
        route(request("PUT", "/bucket/key", query))
    with pytest.raises(InvalidArgument):
        route(request("PUT", "/bucket/key", query, x_amz_copy_source="a/b"))


TAKE_NO_VERSION = {
    "PutObject": ("PUT", "", False),
    "CopyObject": ("PUT", "", True),
    "CreateMultipartUpload": ("POST", "uploads&", False),
    "UploadPart": ("PUT", "partNumber=1&uploadId=1&", False),
    "UploadPartCopy": ("PUT", "partNumber=1&uploadId=1&", True),
    "CompleteMultipartUpload": ("POST", "uploadId=1&", False),
    "RenameObject": ("PUT", "renameObject&", False),
}


@pytest.mark.parametrize("name", TAKE_NO_VERSION)
def test_a_write_that_names_a_version_is_refused(name: str) -> None:
    method, query, copies = TAKE_NO_VERSION[name]
    headers = {"x_amz_copy_source": "a/b"} if copies else {}
    assert route(request(method, "/bucket/key", query, **headers)).name == name
    with pytest.raises(InvalidArgument, match=r"This operation does not accept a version-id\.") as caught:
        route(request(method, "/bucket/key", query + "versionId=abc", **headers))
    assert caught.value.details == {"ArgumentName": "versionId", "ArgumentValue": "abc"}


@pytest.mark.parametrize("value", ["3", "", "two"])
def test_a_list_type_that_is_not_known_is_refused(value: str) -> None:
    with pytest.raises(InvalidArgument, match="Invalid List Type"):
        route(request("GET", "/bucket", f"list-type={value}"))


@pytest.mark.parametrize("query", ["", "acl", "tagging", "legal-hold", "retention"])
def test_a_version_may_be_named_where_the_model_has_it(query: str) -> None:
    for method in ("GET", "PUT") if query else ("GET", "HEAD", "DELETE"):
        assert route(request(method, "/bucket/key", query + "&versionId=abc"))


@pytest.mark.parametrize(
    ("method", "path", "query", "allow", "resource"),
    [
        ("POST", "/bucket", "acl", "GET, PUT", "ACL"),
        ("DELETE", "/bucket/key", "acl", "GET, PUT", "ACL"),
        ("PUT", "/", "", "GET", "SERVICE"),
        ("PATCH", "/bucket/key", "", "DELETE, GET, HEAD, POST, PUT", "OBJECT"),
        ("POST", "/bucket/key", "", "DELETE, GET, HEAD, PUT", "OBJECT"),
        ("GET", "/bucket", "delete", "POST", "DELETE"),
        ("DELETE", "/bucket/key", "lifecycle", "", "LIFECYCLE"),
        ("GET", "/", "object-lock", "", "OBJECT_LOCK"),
    ],
)
def test_a_known_resource_with_another_method_is_method_not_allowed(
    method: str, path: str, query: str, allow: str, resource: str
) -> None:
    with pytest.raises(MethodNotAllowed) as caught:
        route(request(method, path, query))
    assert caught.value.headers["Allow"] == allow
    assert caught.value.details == {"Method": method, "ResourceType": resource}


def test_two_subresources_contradict_each_other() -> None:
    with pytest.raises(InvalidArgument, match="acl, policy") as caught:
        route(request("GET", "/bucket", "policy&acl"))
    assert caught.value.details == {"ArgumentName": "ResourceType", "ArgumentValue": "acl"}


def test_a_form_is_post_object_and_any_other_post_of_a_bucket_is_refused() -> None:
    assert route(request("POST", "/bucket", content_type="Multipart/Form-Data; boundary=x")) is POST_OBJECT
    with pytest.raises(PreconditionFailed) as caught:
        route(request("POST", "/bucket", content_type="text/plain"))
    assert "enclosure-type" in caught.value.details["Condition"]
    assert route(request("OPTIONS", "/")) is CORS_PREFLIGHT
