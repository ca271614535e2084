"""Archives that tests make."""

from __future__ import annotations

import io
import tarfile
import zipfile
from typing import Any


def zip_of(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Of 1 January 1980, the same bytes at each hour: tests look for names in it and change bytes at places."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return body.getvalue()


def tar_of(files: dict[str, bytes], mode: str = "w", **entry: Any) -> bytes:
    """`entry`: of the last of them."""
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode=mode, format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            if name == [*files][-1]:
                for field, value in entry.items():
                    setattr(info, field, value)
            archive.addfile(info, io.BytesIO(content))
    return body.getvalue()
