"""The routes of the screens for admins and auditors. Who may do what there the API says."""

from __future__ import annotations

from starlette.routing import Route

from s3gw.console import (
    audit_log,
    dashboard,
    event_targets,
    groups,
    identity_policies,
    invitations,
    jobs,
    quotas,
    scans,
    schedules,
    scrub,
    server,
    users,
)

_POST = ["POST"]
_ADMIN = "/console/admin"
_USER, _GROUP = f"{_ADMIN}/users/{{user_id}}", f"{_ADMIN}/groups/{{group_id}}"
_JOB, _TARGET = f"{_ADMIN}/jobs/{{job_id}}", f"{_ADMIN}/targets/{{target_id}}"

ADMIN_ROUTES = [
    Route(_ADMIN, dashboard.page, name="console_dashboard"),
    Route(f"{_ADMIN}/users", users.page, name="console_users"),
    Route(f"{_ADMIN}/users", users.change_list, name="console_change_users", methods=_POST),
    Route(_USER, users.details, name="console_user"),
    Route(_USER, users.change, name="console_change_user", methods=_POST),
    Route(f"{_ADMIN}/groups", groups.page, name="console_groups"),
    Route(f"{_ADMIN}/groups", groups.change_list, name="console_change_groups", methods=_POST),
    Route(_GROUP, groups.details, name="console_group"),
    Route(_GROUP, groups.change, name="console_change_group", methods=_POST),
    Route(f"{_USER}/policy", identity_policies.page, name="console_user_policy"),
    Route(f"{_USER}/policy", identity_policies.change, name="console_change_user_policy", methods=_POST),
    Route(f"{_GROUP}/policy", identity_policies.page, name="console_group_policy"),
    Route(f"{_GROUP}/policy", identity_policies.change, name="console_change_group_policy", methods=_POST),
    Route(f"{_ADMIN}/policies/check", identity_policies.check, name="console_check_identity_policy", methods=_POST),
    Route(f"{_ADMIN}/invitations", invitations.page, name="console_invitations"),
    Route(f"{_ADMIN}/invitations", invitations.change, name="console_change_invitations", methods=_POST),
    Route(f"{_ADMIN}/quotas", quotas.page, name="console_quotas"),
    Route(f"{_ADMIN}/quotas", quotas.change, name="console_change_quotas", methods=_POST),
    Route(f"{_ADMIN}/jobs", jobs.page, name="console_jobs"),
    Route(_JOB, jobs.details, name="console_job"),
    Route(_JOB, jobs.change, name="console_change_job", methods=_POST),
    Route(f"{_ADMIN}/schedules", schedules.page, name="console_schedules"),
    Route(f"{_ADMIN}/schedules", schedules.change, name="console_change_schedules", methods=_POST),
    Route(f"{_ADMIN}/scrub", scrub.page, name="console_scrub"),
    Route(f"{_ADMIN}/scrub/{{location}}", scrub.details, name="console_damaged_chunk"),
    Route(f"{_ADMIN}/scans", scans.page, name="console_scans"),
    Route(f"{_ADMIN}/scans", scans.change, name="console_change_scans", methods=_POST),
    Route(f"{_ADMIN}/targets", event_targets.page, name="console_targets"),
    Route(f"{_ADMIN}/targets", event_targets.change_list, name="console_change_targets", methods=_POST),
    Route(_TARGET, event_targets.details, name="console_target"),
    Route(_TARGET, event_targets.change, name="console_change_target", methods=_POST),
    Route(f"{_ADMIN}/audit", audit_log.page, name="console_audit"),
    Route(f"{_ADMIN}/audit/verification", audit_log.verification, name="console_audit_verification"),
    Route(f"{_ADMIN}/audit/verification", audit_log.verify, name="console_verify_audit", methods=_POST),
    Route(f"{_ADMIN}/audit/export", audit_log.Export(), name="console_audit_export", methods=["GET"]),
    Route(f"{_ADMIN}/nodes", server.nodes, name="console_nodes"),
    Route(f"{_ADMIN}/settings", server.settings, name="console_settings"),
]
