"""Holds the code to the house rules: who may import what, and how long a file or a function may be.

The rooms and their order are docs/architecture.md's. Imports within functions and for type checking count too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "s3gw"
FILES = sorted(PACKAGE.rglob("*.py"))
OTHER_FILES = sorted(
    path for room in ("migrations", "tests", "compat", "bench") for path in (ROOT / room).rglob("*.py")
)

# Downwards: a room may import the rooms on later lines, never those on its own line or above.
ORDER = (
    ("__main__",),
    ("cli",),
    ("jobs",),
    ("processes",),
    ("app", "http"),
    ("lazy_app",),
    ("admin", "console", "share"),
    ("api", "s3"),
    ("metrics",),
    ("accounts", "telemetry", "tus"),
    ("log", "faults"),
    ("operations", "operation_services"),
    ("services", "backup"),
    ("storage", "blob_move", "known_rules", "token_keys", "key_uses", "health", "master_key_rotation"),
    ("access", "blob_store", "process_identity"),
    ("events",),
    ("described_settings", "folders", "kept_head", "lease", "registration_mode"),
    ("config",),
    ("manifests", "secret_files"),
    ("archives", "previews", "reports", "scanning"),
    ("content",),
    ("auth",),
    ("metadata", "wire"),
    ("disks",),
    ("addresses", "busy", "checksums", "cron", "moments", "names", "pages", "running_hashes"),
    ("problems",),
    ("errors", "threads", "garbage"),
)
RANK = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms}

# These know nothing of s3gw but its errors and each other.
PURE = (
    "s3gw.wire.",
    "s3gw.access.",
    "s3gw.auth.sigv4",
    "s3gw.auth.sigv2",
    "s3gw.auth.post_policy",
    "s3gw.checksums",
    "s3gw.names",
    "s3gw.pages",
)
PURE_MAY_IMPORT = (
    "s3gw.errors",
    "s3gw.access",
    "s3gw.wire",
    "s3gw.checksums",
    "s3gw.names",
    "s3gw.pages",
    "s3gw.auth.timestamps",
    "s3gw.auth.principal",
)

CONFINED = {
    "lxml": ("s3gw.wire.xml",),
    "python_multipart": ("s3gw.wire.form",),
    "sqlalchemy": ("s3gw.metadata.",),
    "sqlite3": ("s3gw.metadata.",),
    "psycopg": ("s3gw.metadata.",),
    "obstore": ("s3gw.content.object_store",),
    "alembic": ("s3gw.metadata.",),
    "fastapi": ("s3gw.api.",),
    "jwt": ("s3gw.auth.",),
    "cronsim": ("s3gw.cron",),
    "jinja2": ("s3gw.share.pages", "s3gw.console.pages"),
    "babel": ("s3gw.console.language",),
    "PIL": ("s3gw.previews.",),
    "av": ("s3gw.previews.videos",),
    "pypdfium2": ("s3gw.previews.documents",),
    "puremagic": ("s3gw.operations.file_type",),
    "pyotp": ("s3gw.auth.",),
    "authlib": ("s3gw.auth.",),
    "joserfc": ("s3gw.auth.",),
    "httpx": ("s3gw.auth.",),
    "starlette": ("s3gw.app", "s3gw.s3.", "s3gw.admin.", "s3gw.api.", "s3gw.share.", "s3gw.console.", "s3gw.lazy_app"),
    "typer": ("s3gw.cli.",),
    "prometheus_client": ("s3gw.metrics.",),
    "pyarrow": ("s3gw.previews.tables", "s3gw.reports.parquet"),
    "redis": ("s3gw.events.redis_streams",),
    "celery": ("s3gw.jobs.celery_app", "s3gw.jobs.celery_worker"),
    "kombu": ("s3gw.jobs.celery_app",),
    "aiormq": ("s3gw.events.amqp",),
    "sentry_sdk": ("s3gw.telemetry",),
    "opentelemetry": ("s3gw.telemetry",),
}

LONGEST_FILE = 500
LONGEST_FUNCTION = 60


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts) if parts[-1] != "__init__" else ".".join((*parts[:-1], ""))


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@cache
def imports_of(path: Path) -> tuple[tuple[int, str], ...]:
    """Line and module. Kept: thirty tests ask it of each file."""
    return tuple(find_imports(path))


def find_imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            module = str(node.module)
            if module == "s3gw" or is_package(module):
                yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, module


def is_package(module: str) -> bool:
    return module.startswith("s3gw") and (ROOT / module.replace(".", "/")).is_dir()


def imports_of_rooms(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line, module and room of what is imported from other rooms. `s3gw.__version__` is nobody's."""
    own = room_of(name_of(path))
    for line, module in imports_of(path):
        if module.startswith("s3gw.") and module != "s3gw.__version__":
            room = room_of(module)
            if room != own:
                yield line, module, room


def room_of(module: str) -> str:
    return module.split(".")[1]


def matches(module: str, names: tuple[str, ...]) -> bool:
    """`a.b.` names all below a.b; `a.b` that module and what is in it."""
    return any(module.startswith(name) if name.endswith(".") else f"{module}.".startswith(f"{name}.") for name in names)


def test_every_room_has_its_place_in_the_order() -> None:
    rooms = {room_of(name_of(path)) for path in FILES} - {""}
    assert rooms == set(RANK), "give a new room or file its place in ORDER, and take out what is gone"


@pytest.mark.parametrize("name", sorted({*PURE, *PURE_MAY_IMPORT, *chain.from_iterable(CONFINED.values())}))
def test_the_tables_name_nothing_that_is_gone(name: str) -> None:
    assert any(matches(name_of(path), (name,)) for path in FILES)


def test_rooms_import_downwards_only() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: imports {module}"
        for path in FILES
        for line, module, room in imports_of_rooms(path)
        if RANK[room] <= RANK[room_of(name_of(path))]
    ]
    assert not wrong, "\n".join(wrong)


def test_no_files_import_each_other_in_a_circle() -> None:
    modules = {name_of(path).removesuffix("."): path for path in FILES}
    imported = {name: {module for _, module in imports_of(path)} for name, path in modules.items()}
    left = {name: {other for other in modules if other in found and other != name} for name, found in imported.items()}
    while leaves := [name for name, found in left.items() if not found]:
        left = {name: found - set(leaves) for name, found in left.items() if found}
    assert not left, f"a circle is among {sorted(left)}"


def test_wire_and_signatures_and_policies_know_nothing_but_errors() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: imports {module}"
        for path in FILES
        if matches(name_of(path), PURE)
        for line, module in imports_of(path)
        if module.startswith("s3gw") and not matches(module, PURE_MAY_IMPORT)
    ]
    assert not wrong, "\n".join(wrong)


def test_operations_know_nothing_of_any_door() -> None:
    """They are performed for all of them: no HTTP, no XML, no JSON of a request."""
    of_doors = ("s3gw.wire", "s3gw.s3", "s3gw.admin", "s3gw.api", "starlette", "fastapi", "http", "uvicorn")
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: imports {module}"
        for path in FILES
        if matches(name_of(path), ("s3gw.operations.", "s3gw.metadata.", "s3gw.content.", "s3gw.access."))
        for line, module in imports_of(path)
        if matches(module, of_doors)
    ]
    assert not wrong, "\n".join(wrong)


def test_only_content_and_its_table_know_how_bytes_are_kept() -> None:
    """Inline, in chunks or as a list of parts: whoever reads opens a content, whoever stores is given one."""
    forms = {"INLINE", "MANIFEST", "PARTS", "layout", "extents"}
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {used}"
        for path in FILES
        if not matches(name_of(path), ("s3gw.content.", "s3gw.metadata."))
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Name | ast.Attribute | ast.alias)
        and (used := getattr(node, "id", getattr(node, "attr", getattr(node, "name", "")))) in forms
    ]
    assert not wrong, "\n".join(wrong)


def test_only_one_place_asks_what_is_allowed() -> None:
    """Others may read policies, to store them or to tell what is wrong with them."""
    deciding = ("s3gw.access.decide", "s3gw.access.evaluate")
    asking = {name_of(path) for path in FILES for _, module in imports_of(path) if matches(module, deciding)}
    assert {name for name in asking if not matches(name, ("s3gw.access.",))} == {"s3gw.operations.authorize"}


@pytest.mark.parametrize("library", sorted(CONFINED))
def test_a_library_is_imported_only_in_its_room(library: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: imports {module}"
        for path in FILES
        for line, module in imports_of(path)
        if module.split(".")[0] == library and not matches(name_of(path), CONFINED[library])
    ]
    assert not wrong, "\n".join(wrong)


def test_files_stay_short() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES + OTHER_FILES}
    long = [f"{path.relative_to(ROOT)}: {length} lines" for path, length in lengths.items() if length > LONGEST_FILE]
    assert not long, "\n".join(long)


def test_functions_stay_short() -> None:
    long = []
    for path in FILES + OTHER_FILES:
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = int(node.end_lineno or 0) - node.lineno + 1
                is_revision = path.parent.name == "versions" and node.name == "upgrade"  # a list of statements
                if length > LONGEST_FUNCTION and not is_revision:
                    long.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} has {length} lines")
    assert not long, "\n".join(long)


def test_every_file_opens_by_saying_what_it_answers_for() -> None:
    silent = [str(path.relative_to(ROOT)) for path in FILES + OTHER_FILES if not ast.get_docstring(parse(path))]
    assert not silent, "\n".join(silent)


def test_nothing_is_left_to_do_silently() -> None:
    """What isn't done stands in CHANGELOG.md under "Known limits", not in the code."""
    marks = ("TO" + "DO", "FIX" + "ME", "XX" + "X")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in FILES + OTHER_FILES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if any(mark in line for mark in marks)
    ]
    assert not found, "\n".join(found)
