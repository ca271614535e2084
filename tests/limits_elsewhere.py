"""Limits that have their test in another room, and which it is; tests/test_limits.py has the rest, and its rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests import test_archives as archives
from tests import test_config as config
from tests import test_cron as cron
from tests import test_known_rules as known_rules
from tests import test_master_key_rotation as master_keys
from tests import test_metrics as metrics
from tests import test_telemetry as telemetry
from tests import test_unpack as unpack
from tests.access import test_evaluate as evaluate
from tests.access import test_lint as lint
from tests.access import test_parse as parse
from tests.api import test_archives as of_archives
from tests.api import test_batch as batch
from tests.api import test_drop_form as drop_form
from tests.api import test_file_list as file_list
from tests.api import test_oidc as oidc
from tests.api import test_share_links as of_links
from tests.api import test_share_pages as share_pages
from tests.api import test_views as views
from tests.api import test_zip_entries as zip_entries
from tests.auth import test_access_tokens as access_tokens
from tests.auth import test_passwords as passwords
from tests.cli import test_commands as commands
from tests.cli import test_grants as grants
from tests.cli import test_people as people
from tests.cli import test_policies as policies
from tests.console import test_files_at_size as files_at_size
from tests.console import test_heads as heads
from tests.console import test_limits as of_console
from tests.console import test_login as login
from tests.console import test_ways_in as ways_in
from tests.events import test_notifications as notifications
from tests.events import test_redis as redis
from tests.events import test_tail as tail
from tests.jobs import test_asked as asked
from tests.jobs import test_make_preview as make_preview
from tests.jobs import test_report as report
from tests.jobs import test_scan as scan
from tests.jobs import test_unpack as jobs_unpack
from tests.manifests import test_lines as manifests
from tests.metadata import test_contents as contents
from tests.metadata import test_event_deliveries as event_deliveries
from tests.metadata import test_foreseen as foreseen
from tests.metadata import test_idempotency_keys as idempotency_keys
from tests.metadata import test_postgresql as postgresql
from tests.metadata import test_refused_logins as refused_logins
from tests.metadata import test_resumable_uploads as resumable_uploads
from tests.metadata import test_search as search
from tests.metadata import test_share_links as share_links
from tests.metadata import test_sqlite_writer as sqlite
from tests.metadata import test_trash as trash
from tests.operations import test_acls as acls
from tests.operations import test_bucket_cors as bucket_cors
from tests.operations import test_facts as facts
from tests.operations import test_tagging as tagging
from tests.operations import test_unused as unused
from tests.previews import test_making as making
from tests.previews import test_markdown as markdown
from tests.previews import test_tables as tables
from tests.reports import test_counted as counted
from tests.reports import test_duplicates as duplicates
from tests.s3 import test_cors_rules as cors_rules
from tests.scanning import test_clamd as clamd
from tests.scanning import test_command as command
from tests.wire import test_form as form

IN_OTHER_ROOMS: dict[str, Callable[..., Any]] = {
    "access.close_names._LONGEST": lint.test_a_name_of_64_characters_is_compared_and_no_longer_one,
    "preview_max_size": make_preview.test_what_is_larger_than_it_may_be_is_never_decoded,
    "preview_max_pixels": making.test_as_many_pixels_as_may_be_are_decoded_and_one_more_is_not,
    "preview_memory": making.test_what_takes_too_much_memory_is_refused,
    "preview_timeout": making.test_a_child_that_never_ends_is_ended,
    "previews.limits.LARGEST_RESULT": making.test_a_child_that_does_something_else_has_made_nothing,
    "previews.making._LONGEST_LINE": making.test_a_child_that_does_something_else_has_made_nothing,
    "previews.making._LARGEST_SIDE": making.test_a_child_that_does_something_else_has_made_nothing,
    "previews.limits.LONGEST_CELL": tables.test_a_head_has_so_many_rows_columns_and_characters_at_most,
    "previews.limits.MOST_COLUMNS": tables.test_a_head_has_so_many_rows_columns_and_characters_at_most,
    "previews.limits.MOST_ROWS": tables.test_a_head_has_so_many_rows_columns_and_characters_at_most,
    "previews.recipes.MOST_PAGES": views.test_a_document_has_50_pages_at_most,
    "previews.markdown.LARGEST": views.test_of_a_long_markdown_the_first_64_kib_are_shown,
    "previews.markdown._LARGEST_RESULT": markdown.test_what_takes_too_long_or_becomes_too_much_is_not_rendered,
    "share.frame_words._LONGEST": views.test_a_frame_speaks_the_language_of_who_looks,
    "share.heads.LARGEST_HEAD": views.test_of_a_long_text_the_beginning_is_shown,
    "share.heads._LARGEST_JSON": heads.test_json_is_put_on_lines_if_it_is_no_bomb,
    "share.heads._LARGEST_PRETTY": heads.test_json_is_put_on_lines_if_it_is_no_bomb,
    "share.shown._LARGEST": views.test_so_much_is_read_as_a_whole_at_most,
    "share.shown._LONGEST": views.test_a_token_is_for_this_alone,
    "access.document.LONGEST_TEXT": parse.test_a_bucket_policy_has_at_most_20480_bytes_without_white_space,
    "access.conditions._REMEMBERED": evaluate.test_values_of_256_characters_at_most_are_remembered,
    "access.evaluate._MOST_REMEMBERED": evaluate.test_of_a_policy_256_who_asked_are_remembered_at_most,
    "access.parse.LARGEST_OF_BUCKET": parse.test_a_bucket_policy_has_at_most_20480_bytes_without_white_space,
    "access.parse.LARGEST_OF_IDENTITY": parse.test_an_identity_policy_has_at_most_6144_characters_without_white_space,
    "archives.entry_names._LONGEST": of_archives.test_names_have_a_number_where_they_would_be_the_same,
    "archives.stored_zip.LARGEST_DIRECTORY": zip_entries.test_a_directory_has_so_many_bytes_at_most,
    "archives.open_archives._MOST": archives.test_so_many_files_are_in_zips_at_once_and_the_next_one_waits,
    "archives.unpack._LARGEST_HEADER": unpack.test_a_header_of_a_tar_has_4096_bytes_at_most,
    "archives.unpack._MOST_RATIO": unpack.test_more_than_16_mib_may_be_200_times_the_archive_and_no_byte_more,
    "share.cookie._LONGEST": drop_form.test_of_a_cookie_100_characters_are_looked_at,
    "share.drop.MOST_FILES": drop_form.test_of_a_form_with_too_many_files_the_first_hundred_arrive,
    "share.drop_name._LONGEST_NAME": of_links.test_names_that_are_sent_lead_nowhere,
    "share.unlock._LARGEST": drop_form.test_a_form_for_a_password_has_4096_bytes_at_most,
    "share.unlock._MOST_FIELDS": of_links.test_a_form_of_many_fields_has_no_password,
    "max_unpack_files": unpack.test_files_and_bytes_are_bounded_together,
    "max_unpack_job_files": jobs_unpack.test_an_archive_of_more_files_than_a_job_unpacks_is_refused_before_the_first,
    "max_unpack_job_size": share_pages.test_an_archive_that_is_unpacked_has_so_many_bytes_at_most,
    "max_unpack_size": share_pages.test_an_archive_that_is_unpacked_has_so_many_bytes_at_most,
    "max_archive_files": share_pages.test_a_zip_has_so_many_files_at_most,
    "auth.access_tokens._LONGEST": access_tokens.test_a_token_has_2048_characters_at_most,
    "config.MOST_WORKERS": config.test_256_workers_are_the_most_however_they_are_asked_for,
    "auth.key_file._LARGEST": master_keys.test_a_file_of_more_than_4096_bytes_is_none,
    "auth.oidc._LARGEST": oidc.test_an_issuer_that_answers_otherwise_is_not_waited_for,
    "auth.passwords._MOST_WAITING": passwords.test_64_may_wait_to_be_hashed_and_no_more_but_for_those_who_are_known,
    "known_rules._MOST": known_rules.test_what_was_asked_for_longest_ago_is_forgotten,
    "known_rules._MOST_TEXT": known_rules.test_long_documents_are_forgotten_sooner,
    "cron.LONGEST_LINE": cron.test_what_is_no_line_or_zone_is_refused,
    "metadata.asked_jobs.LONGEST_LISTED": asked.test_a_list_leaves_out_results_of_more_than_4096_characters,
    "metadata.asked_jobs.MOST_OF_USER": asked.test_a_user_has_so_many_that_are_not_done_at_most,
    "metadata.files.MOST_COUNTED": file_list.test_pages_beyond_10000_need_a_cursor,
    "metadata.contents._MAX_CHILDREN": contents.test_a_range_of_too_many_pieces_is_refused,
    "metadata.contents._MAX_DEPTH": contents.test_part_lists_nested_too_deeply_are_corruption,
    "metadata.grants.LONGEST_PATH": grants.test_a_path_has_1024_bytes_at_most,
    "metadata.grants.MOST_OF_BUCKET": grants.test_who_is_granted_has_so_many_grants_at_most,
    "metadata.grants.MOST_OF_GRANTEE": grants.test_who_is_granted_has_so_many_grants_at_most,
    "metadata.groups.MOST_GROUPS": people.test_a_user_is_in_10_groups_at_most,
    "metadata.identity_policies.MOST_POLICIES": policies.test_a_holder_has_10_policies_at_most,
    "metadata.contents._MOST_INLINE": resumable_uploads.test_small_pieces_are_joined_up_to_16_kib,
    "metadata.hidden_keys.MOST": resumable_uploads.test_a_session_has_so_many_signed_urls_at_most,
    "metadata.resumable_uploads.MOST_PIECES": resumable_uploads.test_an_upload_has_so_many_pieces_at_most,
    "running_hashes._MOST": resumable_uploads.test_of_1024_uploads_it_is_known_how_their_hash_goes_on,
    "metadata.idempotency_keys._LONGEST_RUN": idempotency_keys.test_who_died_is_followed_after_two_minutes,
    "metadata.postgresql.MAX_ATTEMPTS": postgresql.test_what_fails_8_times_is_given_up,
    "metadata.quotas._MOST_DROPPED": trash.test_one_write_drops_10_000_files_at_most,
    "metadata.refused_logins.LONGEST_NAME": refused_logins.test_names_are_cut,
    "metadata.refused_logins.MOST_LINES": refused_logins.test_beyond_ten_of_a_name_the_others_are_one_line,
    "metadata.resolve._MOST_BUCKETS": foreseen.test_so_many_ids_of_buckets_are_remembered_and_then_forgotten,
    "metadata.scans._LONGEST_ERROR": scan.test_an_error_is_cut_after_300_characters,
    "metadata.trash._MOST_OVERWRITTEN": scan.test_of_what_was_overwritten_so_many_go_at_once,
    "scanning.clamd._LONGEST_ANSWER": clamd.test_what_does_not_say_that_it_is_clean_is_a_failure,
    "scanning.command._LONGEST_OUTPUT": command.test_of_what_it_says_4096_bytes_are_looked_at,
    "scanning.scanner.LONGEST_NAME": command.test_it_need_not_read_to_the_end_and_may_say_a_lot,
    "metadata.search._LONGEST_WORD": search.test_long_and_many_words_are_cut,
    "metadata.search._MOST_WORDS": search.test_long_and_many_words_are_cut,
    "metadata.share_links.MOST_OF_USER": share_links.test_a_user_has_1000_links_at_most,
    "metadata.sqlite._MOST_SLOW": sqlite.test_a_scan_that_is_slow_on_the_event_loop_is_begun_again_in_a_thread,
    "metadata.sqlite_connection.MAX_COMMAND_SCAN_SECONDS": commands.test_a_command_may_look_longer_than_a_server,
    "metadata.sqlite_connection.MAX_SCAN_SECONDS": sqlite.test_a_scan_longer_than_its_limit_is_ended,
    "metadata.sqlite_writer.MAX_GROUP": sqlite.test_a_group_is_bounded,
    "metadata.sqlite_writer.MAX_GROUP_SECONDS": sqlite.test_a_group_is_bounded_in_time,
    "operations.new_acl._MOST_GRANTS": acls.test_an_acl_that_is_none_is_refused_and_changes_nothing,
    "operations.bucket_cors._LONGEST_ID": bucket_cors.test_a_rule_that_aws_refuses_is_refused_and_changes_nothing,
    "console.chosen._MOST_FOLDERS": of_console.test_so_many_files_and_folders_are_chosen_at_once,
    "console.file._MOST_TAGS": of_console.test_a_file_with_as_many_tags_as_it_may_have_is_asked_for_no_more,
    "console.forms._LARGEST": login.test_a_form_has_so_many_fields_and_bytes_at_most,
    "console.forms._LARGEST_AMOUNT": of_console.test_an_amount_is_one_that_the_database_can_keep,
    "console.forms._MOST_FIELDS": login.test_a_form_has_so_many_fields_and_bytes_at_most,
    "console.language._LONGEST": of_console.test_of_the_languages_that_a_browser_names_200_characters_are_looked_at,
    "console.oidc._LONGEST": ways_in.test_of_what_the_issuer_sends_back_4096_characters_are_passed_on,
    "console.second_factor._LONGEST_URI": of_console.test_of_a_second_factor_500_characters_are_drawn,
    "console.session._LONGEST": login.test_a_cookie_that_is_too_long_is_none,
    "console.sorting.MOST": files_at_size.test_a_folder_of_100000_keys_is_browsed_as_a_small_one,
    "events.destination._LONGEST_NAME": redis.test_what_is_no_destination_is_refused,
    "events.destination._MOST_DATABASES": redis.test_what_is_no_destination_is_refused,
    "events.destination._MOST_ENTRIES": redis.test_what_is_no_destination_is_refused,
    "metadata.measures.MOST_COUNTED": metrics.test_of_what_waits_so_many_are_counted_at_most,
    "events.targets.LONGEST_URL": notifications.test_what_is_no_target_is_refused,
    "events.tail.MOST_OF_USER": tail.test_a_user_has_five_streams_at_most,
    "events.webhook._MOST_READ": notifications.test_of_an_answer_16_kib_are_read_at_most,
    "metadata.event_deliveries.LONGEST_PAUSE": event_deliveries.test_a_pause_is_an_hour_at_most,
    "metadata.event_deliveries.MOST_DEAD": event_deliveries.test_of_what_was_put_aside_10000_are_kept,
    "metadata.share_links.MOST_UNFINISHED": share_links.test_a_drop_box_has_500_unfinished_uploads_at_most,
    "manifests.lines.LARGEST": batch.test_a_manifest_has_so_many_bytes_at_most,
    "manifests.lines.LONGEST_LINE": manifests.test_a_line_has_so_many_bytes_at_most,
    "manifests.lines.MOST_LINES": manifests.test_a_manifest_has_so_many_lines_at_most,
    "metadata.reports.MOST_OF_USER": report.test_a_user_has_100_saved_reports_at_most,
    "reports.counted.MOST_PREFIXES": counted.test_of_more_prefixes_than_are_told_those_with_most_bytes_are,
    "reports.counted.MOST_TYPES": counted.test_of_more_types_than_are_told_the_others_are_one,
    "reports.duplicates.MOST_DUPLICATES": duplicates.test_the_largest_groups_are_told_and_so_many_places_of_each,
    "reports.duplicates.MOST_PLACES": duplicates.test_the_largest_groups_are_told_and_so_many_places_of_each,
    "metadata.event_targets.MOST_OF_USER": event_deliveries.test_a_user_has_100_targets_at_most,
    "operations.bucket_notification._LONGEST_FILTER": notifications.test_a_configuration_that_can_not_be_is_refused,
    "operations.bucket_notification._LONGEST_ID": notifications.test_a_configuration_that_can_not_be_is_refused,
    "operations.bucket_notification._MOST_RULES": notifications.test_a_bucket_has_100_configurations_at_most,
    "operations.bucket_cors._MOST_RULES": bucket_cors.test_a_bucket_has_100_rules_at_most,
    "operations.tagging.MOST_OF_AN_OBJECT": tagging.test_an_object_has_10_tags_at_most_and_a_bucket_50,
    "operations.tagging.MOST_FIELDS": facts.test_of_more_tags_than_an_object_can_have_one_more_is_told,
    "operations.tagging._MOST_OF_A_BUCKET": tagging.test_an_object_has_10_tags_at_most_and_a_bucket_50,
    "operations.unused._MOST_ANNOTATIONS": unused.test_a_page_has_1000_annotations_at_most,
    "telemetry._LONGEST": telemetry.test_what_strangers_send_makes_no_span_long,
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
