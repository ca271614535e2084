"""How each client is had: from a package registry, by its ordinary program, into a cache folder outside the project.

Each function takes what to install and returns a recipe: called, it installs what is missing and returns the words that
start a script with it. What is in the cache is used again; `make compat` with an empty $COMPAT_CACHE gets the newest.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("COMPAT_CACHE") or Path.home() / ".cache" / "s3gw-compat")
BIN = CACHE / "bin"

Recipe = Callable[[], list[str]]


class NotHad(Exception):
    """The client could not be installed."""


def call(*argv: str, cwd: Path | None = None, **variables: str) -> None:
    environment = {**os.environ, **variables}
    done = subprocess.run(["nice", "-n", "10", *argv], cwd=cwd, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise NotHad(f"{' '.join(argv)}:\n{(done.stdout + done.stderr)[-2000:]}")


def packages(*names: str, programs: tuple[str, ...] = ()) -> None:
    """Debian packages, unless their programs (default: of the same name) are on the PATH already."""
    if not all(shutil.which(program) for program in programs or names):
        install_packages(*names)


def install_packages(*names: str) -> None:
    if not shutil.which("apt-get"):
        raise NotHad(f"please install {', '.join(names)}")
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    call(*sudo, "apt-get", "update", "-qq")
    call(*sudo, "apt-get", "install", "-y", "--no-install-recommends", *names, DEBIAN_FRONTEND="noninteractive")


def environment(name: str, *requirements: str) -> Path:
    folder = CACHE / "venv" / name
    ready = folder / "compat-ready"
    if not ready.exists() or ready.read_text() != "\n".join(requirements):
        shutil.rmtree(folder, ignore_errors=True)
        call(sys.executable, "-m", "venv", str(folder))
        call(str(folder / "bin" / "pip"), "install", "--quiet", "--upgrade", *requirements)
        ready.write_text("\n".join(requirements))
    return folder / "bin"


def python(script: str, *requirements: str, debian: tuple[str, ...] = (), programs: tuple[str, ...] = ()) -> Recipe:
    """A Python script in an environment that has `requirements`, which scripts with the same ones share."""

    def recipe() -> list[str]:
        packages(*debian, programs=programs)
        if not requirements:
            return [sys.executable, str(HERE / script)]
        name = "-".join(requirement.partition("[")[0].partition("=")[0] for requirement in requirements)
        return [str(environment(name, *requirements) / "python"), str(HERE / script)]

    return recipe


def go_program(script: str, *modules: str) -> Recipe:
    """A Go file, built against `modules`, each with its version ("@latest" for the newest)."""

    def recipe() -> list[str]:
        need("go")
        source, folder = HERE / script, CACHE / "go" / Path(script).stem
        program, chosen = folder / "day", folder / "modules"
        if not chosen.exists() or chosen.read_text() != "\n".join(modules):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            shutil.copy(source, folder / "main.go")
            call("go", "mod", "init", "day", cwd=folder)
            call("go", "get", *modules, cwd=folder)
            chosen.write_text("\n".join(modules))
        if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
            shutil.copy(source, folder / "main.go")
            call("go", "build", "-mod=mod", "-p", "1", "-o", "day", ".", cwd=folder)
        return [str(program)]

    return recipe


def node(script: str, *modules: str, debian: tuple[str, ...] = ()) -> Recipe:
    """An ECMAScript module beside the newest `modules`."""

    def recipe() -> list[str]:
        need("npm")
        packages(*debian)
        folder = CACHE / "node" / Path(script).stem
        if not (folder / "package-lock.json").exists():
            folder.mkdir(parents=True, exist_ok=True)
            call("npm", "install", "--silent", "--prefix", str(folder), *modules)
        shutil.copy(HERE / script, folder / script)
        return ["node", str(folder / script)]

    return recipe


def ruby(script: str, library: str, *debian: str) -> Recipe:
    """A Ruby file that requires `library`: whichever Ruby finds already, as a gem too, or else that of `debian`."""

    def recipe() -> list[str]:
        there = shutil.which("ruby") and subprocess.run(["ruby", "-r", library, "-e", ""], capture_output=True)
        if not there or there.returncode:
            install_packages(*debian)
        return ["ruby", "--backtrace-limit=10", str(HERE / script)]

    return recipe


def java(script: str, *artifacts: str, options: tuple[str, ...] = ()) -> Recipe:
    """A Java source file, started as such, with Maven `artifacts` (group:artifact:version) on its class path."""

    def recipe() -> list[str]:
        need("mvn")
        folder = CACHE / "java" / Path(script).stem
        project = maven_project(artifacts)
        description, libraries = folder / "pom.xml", folder / "lib"
        if not description.exists() or description.read_text() != project or not libraries.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            description.write_text(project)
            copy = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
            call("mvn", "-q", "-B", copy, f"-DoutputDirectory={libraries}", cwd=folder)
        return ["java", *options, "-cp", f"{libraries}/*", str(HERE / script)]

    return recipe


def maven_project(artifacts: tuple[str, ...]) -> str:
    rows = []
    for artifact in artifacts:
        group, name, version = artifact.split(":")
        inner = f"<groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version>"
        rows.append(f"<dependency>{inner}</dependency>")
    head = "<modelVersion>4.0.0</modelVersion><groupId>s3gw</groupId><artifactId>day</artifactId><version>1</version>"
    return "\n".join([f"<project>{head}<dependencies>", *rows, "</dependencies></project>", ""])


def need(program: str) -> None:
    if not shutil.which(program):
        raise NotHad(f"{program} is not on the PATH")
