"""Run the public ceph/s3-tests against a gateway, and hold the outcome to s3tests-excluded.txt.

    S3TESTS_DIR=/path/to/s3-tests python compat/s3tests.py [--without-excluded] [-k EXPRESSION] [-n WORKERS]

The checkout stays outside this repository; its requirements, pytest-xdist and pytest-timeout must be there for the
Python in $S3TESTS_PYTHON (default: this one). Excluded tests run too, so that the list can't outlive its reasons.
"""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from configparser import RawConfigParser
from contextlib import nullcontext
from pathlib import Path
from urllib.parse import urlsplit

from gateway import Gateway, known_gateway, running_gateway

FILES = ("test_s3.py", "test_headers.py")
EXCLUDED = Path(__file__).with_name("s3tests-excluded.txt")

# Sections of the suite's configuration, each a user of ours. `iam …` are read at start, though no test here uses them.
SECTIONS = ("s3 main", "s3 alt", "s3 tenant", "iam", "iam root", "iam alt root")


def main() -> int:
    arguments = parse_arguments()
    excluded = read_excluded()
    given = nullcontext(known_gateway(arguments.gateway)) if arguments.gateway else None
    with given or running_gateway(S3GW_BUCKET_DEFAULTS="classic") as gateway, tempfile.TemporaryDirectory() as folder:
        configuration, report = Path(folder) / "s3tests.conf", Path(folder) / "report.xml"
        with configuration.open("w") as file:
            configure(gateway).write(file)
        run_suite(arguments, configuration, report, excluded)
        outcomes = read_report(report)
    return summarize(outcomes, excluded)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="ceph/s3-tests against a gateway of its own.")
    parser.add_argument("--suite", type=Path, default=os.environ.get("S3TESTS_DIR"), help="the checkout ($S3TESTS_DIR)")
    parser.add_argument("--gateway", type=Path, help="a gateway that runs already, as this file tells (README.md)")
    parser.add_argument("--python", default=os.environ.get("S3TESTS_PYTHON", sys.executable), help="$S3TESTS_PYTHON")
    parser.add_argument("--without-excluded", action="store_true", help="don't run what is excluded")
    parser.add_argument("-k", dest="expression", help="as pytest's")
    parser.add_argument(
        "-n", dest="workers", default="1", help="as pytest-xdist's; one test wants the buckets of its user to itself"
    )
    arguments = parser.parse_args()
    if not arguments.suite:
        parser.error("set S3TESTS_DIR to a checkout of ceph/s3-tests")
    return arguments


def read_excluded() -> dict[str, str]:
    """Test id -> reason."""
    rows = {}
    for line in EXCLUDED.read_text().splitlines():
        test, _, reason = line.partition("#")
        if test.strip():
            assert reason.strip(), f"{test}: an exclusion needs a reason"
            rows[test.strip()] = reason.strip()
    return rows


def configure(gateway: Gateway) -> RawConfigParser:
    """One user with one key per section."""
    address = urlsplit(gateway.endpoint)
    settings = RawConfigParser()
    settings["DEFAULT"] = {"host": str(address.hostname), "port": str(address.port), "is_secure": "False"}
    settings["DEFAULT"]["ssl_verify"] = "False"
    settings["fixtures"] = {"bucket prefix": "s3t-{random}-", "iam name prefix": "s3t-", "iam path prefix": "/s3t/"}
    run = secrets.token_hex(3)  # a gateway that runs already may know those of another run
    for section in SECTIONS:
        name = f"{section.replace(' ', '-')}-{run}"
        email = f"{name}@example.com"
        key, secret = "S3T" + secrets.token_hex(8).upper(), secrets.token_hex(20)
        gateway.s3gw("user", "create", name, "--email", email, "--display-name", name)
        gateway.s3gw("key", "create", name, "--access-key-id", key, "--secret-access-key", secret)
        user = gateway.s3gw("user", "show", name)
        settings[section] = {
            "display_name": name, "user_id": user["canonical_id"], "email": email, "access_key": key,
            "secret_key": secret, "api_name": "", "tenant": name,
        }  # fmt: skip
    return settings


def run_suite(arguments: argparse.Namespace, configuration: Path, report: Path, excluded: dict[str, str]) -> None:
    folder = Path("s3tests") / "functional"
    command = [arguments.python, "-m", "pytest", "-q", "-n", arguments.workers, "--timeout", "180", "--tb", "short"]
    command += ["-p", "no:cacheprovider", f"--junitxml={report}"]
    if arguments.expression:
        command += ["-k", arguments.expression]
    if arguments.without_excluded:
        command += [f"--deselect={folder / test}" for test in excluded]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {"S3TEST_CONF": str(configuration), "AWS_EC2_METADATA_DISABLED": "true"}
    subprocess.run([*command, *(str(folder / file) for file in FILES)], cwd=arguments.suite, env=environment)
    if not report.exists():
        raise SystemExit("the suite did not run")


def read_report(report: Path) -> dict[str, str]:
    """Test id ("test_s3.py::test_x", its parameters left out) -> failed, skipped or passed: the worst of its cases.
    An error in set-up or tear-down is a failure."""
    outcomes: dict[str, str] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        test = f"{case.attrib['classname'].rsplit('.', 1)[-1]}.py::{case.attrib['name'].partition('[')[0]}"
        kinds = {child.tag for child in case}
        outcome = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        outcomes[test] = min(outcome, outcomes.get(test, "passed"), key=["failed", "skipped", "passed"].index)
    return outcomes


def summarize(outcomes: dict[str, str], excluded: dict[str, str]) -> int:
    unexpected = {test: outcome for test, outcome in outcomes.items() if outcome != "passed" and test not in excluded}
    passing = [test for test in excluded if outcomes.get(test) == "passed"]
    print_rows("not passed, and not excluded", [f"{test} ({outcome})" for test, outcome in unexpected.items()])
    print_rows("passed, though excluded", [f"{test}  # {excluded[test]}" for test in passing])
    passed = sum(outcome == "passed" for outcome in outcomes.values())
    print(f"\n{len(outcomes)} tests run: {passed} passed, {len(excluded)} are excluded")
    print(f"{len(unexpected)} failed that should pass, {len(passing)} passed that are excluded")
    return 1 if unexpected or passing else 0


def print_rows(title: str, rows: list[str]) -> None:
    print(f"\n== {title}: {len(rows)}")
    for row in sorted(rows):
        print(row)


if __name__ == "__main__":
    sys.exit(main())
