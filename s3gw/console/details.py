"""Why the API refuses something, in words that pages have in other languages: those that it says word for word.

The API says them in English only. Others are shown as they are, marked as English.
"""

from __future__ import annotations

from s3gw.console.language import marked as _

DETAILS = frozenset((
    _("it was changed meanwhile: get it again"),
    _("only a job that has failed can be tried again"),
    _("only admins may ask this without a bucket"),
    _("only an admin may do this"),
    _("only an admin or an auditor may see this"),
    _("only its owner and admins may set this"),
    _("only the account of its owner and admins may do this"),
    _("only the owner and admins may ask this"),
    _("only the owner of the account or an admin may do this"),
    _("only who asked for it and admins may cancel it"),
    _("only who asked for it and admins may have it tried again"),
    _("only who may delete all of the bucket empties its trash"),
    _("only who may list all of the bucket may see this"),
    _("only who may share the bucket changes who has access to it"),
    _("only who may share the bucket sees who has access to it"),
    _("that would be public, which the bucket or its account blocks"),
    _("the job has ended"),
    _("the password was changed meanwhile"),
    _("the second factor was changed meanwhile"),
    _("there is a file of its name: restore it with overwrite"),
    _("there is a file of this name"),
    _("there is a policy of this name already"),
    _("there is a second factor already: disable it first"),
    _("there is no policy of this name any more"),
    _("there is no policy of this name"),
    _("there is no second factor"),
    _("there is no such access key"),
    _("there is no such bucket"),
    _("there is no such event target"),
    _("there is no such file"),
    _("there is no such grant"),
    _("there is no such group"),
    _("there is no such invitation"),
    _("there is no such job"),
    _("there is no such link"),
    _("there is no such member"),
    _("there is no such session"),
    _("there is no such user in the group's account"),
    _("there is no such user"),
    _("you may not share this for longer than you have it: give an earlier expires_at"),
    _("you may not share this"),
    _("can't be taken away while only who has confirmed one may log in"),
    _("is in the past"),
    _("is taken"),
    _("only by an admin"),
))  # fmt: skip
