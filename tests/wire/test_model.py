"""The model: all operations known, the twins told apart, nothing of botocore's client imported."""

from __future__ import annotations

import subprocess
import sys

from botocore.loaders import Loader
from botocore.model import ServiceModel

from s3gw.wire.model import Shape, operations


def test_all_116_operations_are_known_by_name() -> None:
    service = ServiceModel(Loader().load_service_model("s3", "service-2"))
    assert sorted(operations()) == sorted(service.operation_names)
    assert len(operations()) == 116


def test_every_operation_agrees_with_botocore() -> None:
    service = ServiceModel(Loader().load_service_model("s3", "service-2"))
    for name, operation in operations().items():
        model = service.operation_model(name)
        assert operation.method == model.http["method"]
        assert operation.status == model.http.get("responseCode", 200)
        for ours, theirs in ((operation.input, model.input_shape), (operation.output, model.output_shape)):
            assert (ours is None) == (theirs is None)
            if ours is None:
                continue
            assert list(ours.members) == list(theirs.members)
            assert ours.required == set(theirs.required_members)
            for member in ours.members.values():
                shape = theirs.members[member.name]
                assert member.shape.kind == shape.type_name
                assert member.location == shape.serialization.get("location")
                assert member.wire_name == shape.serialization.get("name", member.name)


def test_deprecated_twins_yield_to_the_newer_name_and_directory_buckets_to_buckets() -> None:
    yields = {name: operation.yields_to for name, operation in operations().items() if operation.yields_to}
    assert yields == {
        "GetBucketLifecycle": "GetBucketLifecycleConfiguration",
        "GetBucketNotification": "GetBucketNotificationConfiguration",
        "ListDirectoryBuckets": "ListBuckets",
        "PutBucketLifecycle": "PutBucketLifecycleConfiguration",
        "PutBucketNotification": "PutBucketNotificationConfiguration",
    }
    for old, new in yields.items():
        assert old in operations()[new].aliases


def test_botocore_corrections_of_the_model_are_applied() -> None:
    shape = operations()["GetObject"].output
    assert isinstance(shape, Shape)
    assert shape.members["Expires"].shape.kind == "timestamp"


def test_reading_the_model_does_not_import_botocore() -> None:
    code = "import sys; from s3gw.wire.model import operations; operations(); sys.exit('botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
