"""Which commit is measured, and another one checked out beside it, so that both can be measured in turns."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from bench.servers import HERE, ROOT, CannotStart, Code, new_folder


def this_commit() -> str:
    """With a + when files that git knows have changed since; nothing is known of what was unpacked without git."""
    try:
        return _git("rev-parse", "--short", "HEAD") + "+" * bool(_git("status", "--porcelain", "-uno"))
    except CannotStart:
        return "an unknown commit"


def _git(*words: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True)
    except FileNotFoundError as error:
        raise CannotStart("git isn't there") from error
    if done.returncode:
        raise CannotStart(f"git {words[0]}: {done.stderr.strip()[-300:]}")
    return done.stdout.strip()


@contextmanager
def checked_out(commit: str) -> Iterator[Code]:
    """A worktree in a temporary folder. It gets an environment of its own only when its dependencies are others."""
    name = _git("rev-parse", "--short", "--verify", f"{commit}^{{commit}}")
    with new_folder() as folder:
        root = folder / "code"
        _git("worktree", "add", "--detach", str(root), name)
        try:
            python = HERE.python
            if (root / "pyproject.toml").read_bytes() != (ROOT / "pyproject.toml").read_bytes():
                subprocess.run(["make", "--silent", ".venv/.runtime"], cwd=root, check=True)
                python = str(root / ".venv" / "bin" / "python")
            yield Code(f"s3gw {name}", root, python)
        finally:
            _git("worktree", "remove", "--force", str(root))
