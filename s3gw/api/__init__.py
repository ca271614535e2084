"""The JSON API, on the admin listener: routes, bodies and answers. It makes the same calls as S3's door and the command
line do, through accounts/ and operations/, and has no rules of its own.
"""
