"""Limits that have their test in another room, and which it is; tests/test_limits.py has the rest, and its rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests import test_known_rules as known_rules
from tests.operations import test_acls as acls
from tests.operations import test_bucket_cors as bucket_cors
from tests.operations import test_tagging as tagging
from tests.operations import test_unused as unused
from tests.s3 import test_cors_rules as cors_rules
from tests.wire import test_form as form

IN_OTHER_ROOMS: dict[str, Callable[..., Any]] = {
    "known_rules._MOST": known_rules.test_what_was_asked_for_longest_ago_is_forgotten,
    "operations.new_acl._MOST_GRANTS": acls.test_an_acl_that_is_none_is_refused_and_changes_nothing,
    "operations.bucket_cors._LONGEST_ID": bucket_cors.test_a_rule_that_aws_refuses_is_refused_and_changes_nothing,
    "operations.bucket_cors._MOST_RULES": bucket_cors.test_a_bucket_has_100_rules_at_most,
    "operations.tagging._MOST_OF_AN_OBJECT": tagging.test_an_object_has_10_tags_at_most_and_a_bucket_50,
    "operations.tagging._MOST_OF_A_BUCKET": tagging.test_an_object_has_10_tags_at_most_and_a_bucket_50,
    "operations.unused._MOST_ANNOTATIONS": unused.test_a_page_has_1000_annotations_at_most,
    "s3.cors_rules._LONGEST_HEADERS": cors_rules.test_100_headers_of_8192_characters_may_be_requested,
    "s3.cors_rules._LONGEST_ORIGIN": cors_rules.test_an_origin_has_1024_characters_at_most,
    "s3.cors_rules._MOST_HEADERS": cors_rules.test_100_headers_of_8192_characters_may_be_requested,
    "s3.gateway._LONGEST_DOCUMENTS": bucket_cors.test_a_document_has_64_kib_at_most_and_a_checksum,
    "wire.form.MOST_BEFORE_FILE": form.test_20_kib_may_come_before_the_file_and_no_byte_more,
    "wire.form._LONGEST_BOUNDARY": form.test_a_boundary_has_70_characters_at_most_and_may_be_quoted,
    "wire.form._LONGEST_HEADER": form.test_a_part_has_8_headers_of_4096_bytes_at_most,
    "wire.form._MOST_FIELDS": form.test_a_form_has_200_fields_before_its_file_and_behind_it_at_most,
    "wire.form._MOST_HEADERS": form.test_a_part_has_8_headers_of_4096_bytes_at_most,
}
