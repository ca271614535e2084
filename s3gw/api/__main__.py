"""`python -m s3gw.api` prints the API's document: `make openapi` writes docs/openapi.json by it."""

from s3gw.api.app import build_app
from s3gw.api.openapi import as_text

print(as_text(build_app().openapi()), end="")
