"""The errors that say that something was never configured, where nothing can be (unused.py).

As those of errors.py, where all others are: one class per code, with its status and message.
"""

from __future__ import annotations

from s3gw.errors import S3Error


class MetadataConfigurationNotFound(S3Error):
    status = 404
    default_message = "The metadata configuration does not exist."


class NoSuchAnnotation(S3Error):
    status = 404
    default_message = "The specified annotation does not exist on this object."


class NoSuchConfiguration(S3Error):
    status = 404
    default_message = "The specified configuration does not exist."


class NoSuchLifecycleConfiguration(S3Error):
    status = 404
    default_message = "The lifecycle configuration does not exist"


class NoSuchWebsiteConfiguration(S3Error):
    status = 404
    default_message = "The specified bucket does not have a website configuration"


class ObjectLockConfigurationNotFoundError(S3Error):
    status = 404
    default_message = "Object Lock configuration does not exist for this bucket"


class ReplicationConfigurationNotFoundError(S3Error):
    status = 404
    default_message = "The replication configuration was not found"


class ServerSideEncryptionConfigurationNotFoundError(S3Error):
    status = 404
    default_message = "The server side encryption configuration was not found"
