"""People: who registers, logs in and out, shares and is shared with. The same for every door: the JSON API, the console
and the command line. It knows no HTTP, and its SQL is metadata/'s. Whether somebody may is decided in access/ where it
is about buckets, and here where it is about people.
"""
