"""The next release, for tests of rolling upgrades: this program with revisions behind the newest."""

from __future__ import annotations

import shutil
from pathlib import Path

from s3gw.metadata.migrate import scripts
from s3gw.metadata.revision import NEWEST

_REVISION = '''"""Of tests."""

import sqlalchemy as sa
from alembic import op

revision = {revision!r}
down_revision = {down!r}
branch_labels = None
depends_on = None
oldest_reader = {reader!r}


def upgrade() -> None:
    {work}
'''
EXPAND = 'op.add_column("users", sa.Column("of_tests", sa.Text()))'
CONTRACT = 'op.execute("UPDATE settings SET value = value")'


def number(ahead: int) -> str:
    """Of the revision so many after the newest."""
    return f"{int(NEWEST) + ahead:04d}"


def add_revisions(tree: Path, *added: tuple[str, str | None]) -> None:
    """Each is what it does, and its oldest reader."""
    if not tree.exists():
        shutil.copytree(scripts(), tree, ignore=shutil.ignore_patterns("__pycache__"))
    for index, (work, reader) in enumerate(added, 1):
        text = _REVISION.format(revision=number(index), down=number(index - 1), reader=reader, work=work)
        (tree / "versions" / f"{number(index)}_of_tests.py").write_text(text)


def make_next_release(folder: Path) -> Path:
    """A folder for PYTHONPATH: a program that knows two revisions more, one that expands and one that contracts."""
    top = Path(__file__).resolve().parent.parent
    shutil.copytree(top / "s3gw", folder / "s3gw", ignore=shutil.ignore_patterns("__pycache__"))
    add_revisions(folder / "migrations", (EXPAND, None), (CONTRACT, number(1)))
    known = folder / "s3gw/metadata/revision.py"
    known.write_text(known.read_text().replace(f'NEWEST = "{NEWEST}"', f'NEWEST = "{number(2)}"'))
    version = folder / "s3gw/__init__.py"
    version.write_text(version.read_text().replace('__version__ = "', '__version__ = "next of '))
    return folder
