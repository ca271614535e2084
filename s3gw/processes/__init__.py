"""The process tree of `s3gw serve`: a supervisor that accepts connections, workers that serve them, one job process.

What S3 or the JSON API mean doesn't live here: a worker is handed two ASGI apps.
"""
