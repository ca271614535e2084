"""The dashboard, the alerts and the documentation tell of metrics that there are, with labels that they have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client import REGISTRY

from s3gw.metadata.measures import Measures, Waiting
from s3gw.metadata.usage import Usage
from s3gw.metrics import counted, exposition

ROOT = Path(__file__).parent.parent
ALERTS = yaml.safe_load((ROOT / "deploy" / "prometheus-alerts.yaml").read_text())
DASHBOARD = json.loads((ROOT / "deploy" / "grafana-dashboard.json").read_text())
DOCUMENT = (ROOT / "docs" / "MONITORING.md").read_text()
MEASURES = Measures(
    buckets=1,
    users=1,
    usage=Usage(),
    open_uploads={"multipart": 1},
    jobs={("reap", "queued"): Waiting(1, 1.0)},
    dead_jobs={"reap": 1},
    unread_changes={"search": 1},
    deliveries={"first": Waiting(1, 1.0)},
    scans={"pending": 1},
    damaged=1,
    released={"blobs": 1},
)
_OF_KIND = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
_ADDED = {"instance", "job"}  # by Prometheus


def metrics() -> dict[str, set[str]]:
    """Name → labels, of all that is told."""
    found: dict[str, set[str]] = {"up": set()}
    assert counted.connections in REGISTRY._collector_to_names
    for collector in REGISTRY._collector_to_names:
        name, kind = getattr(collector, "_name", ""), getattr(collector, "_type", "")
        if name.startswith("s3gw_"):
            more = {"le"} if kind == "histogram" else set()
            found |= {name + suffix: {*collector._labelnames, *more} for suffix in _OF_KIND[kind]}
    told = [("s3gw_info", ("version",)), ("s3gw_healthy", ("what",))]
    told += [(f"s3gw_disk_{name}_bytes", ("disk",)) for name in ("free", "size")]
    told += [("s3gw_sqlite_file_bytes", ("file",))]
    told += [(family.name, family._labelnames) for family in exposition._of_measures(MEASURES)]
    return found | {name: set(labels) for name, labels in told}


def expressions() -> Iterator[tuple[str, str]]:
    for group in ALERTS["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"].replace("$__rate_interval", "5m")


def selectors_of(expression: Any) -> Iterator[Any]:
    """Those of metrics, however deep."""
    if isinstance(expression, promql_parser.VectorSelector):
        yield expression
    elif isinstance(expression, promql_parser.MatrixSelector):
        yield expression.vector_selector
    for name in ("expr", "lhs", "rhs", "param"):
        inner = getattr(expression, name, None)
        if isinstance(inner, promql_parser.Expr):
            yield from selectors_of(inner)
    for argument in getattr(expression, "args", ()):
        yield from selectors_of(argument)


def labels_of(expression: str) -> set[str]:
    """Those that it groups by."""
    grouped = re.findall(r"\bby \(([^)]*)\)", expression)
    return {name.strip() for names in grouped for name in names.split(",")}


@pytest.mark.parametrize(("name", "text"), [*expressions()])
def test_what_is_asked_for_is_told(name: str, text: str) -> None:
    known = metrics()
    found = list(selectors_of(promql_parser.parse(text)))
    assert found, text
    for selector in found:
        assert selector.name in known, selector.name
        labels = {matcher.name for matcher in selector.matchers.matchers}
        assert labels <= known[selector.name] | _ADDED, (selector.name, labels)
    assert labels_of(text) <= set.union(*(known[selector.name] for selector in found)) | _ADDED


def test_the_documentation_has_each_metric_and_each_alert() -> None:
    suffixes = "|".join({suffix for kinds in _OF_KIND.values() for suffix in kinds if suffix and suffix != "_total"})
    names = {re.sub(f"({suffixes})$", "", name) for name in metrics()} - {"up"}
    assert names == set(re.findall(r"`(s3gw_[a-z_]+)`", DOCUMENT.partition("## Alerts")[0]))
    alerts = {rule["alert"] for group in ALERTS["groups"] for rule in group["rules"]}
    assert alerts == set(re.findall(r"S3gw[A-Za-z]+", DOCUMENT.partition("## Alerts")[2]))


def test_the_dashboard_shows_each_metric() -> None:
    shown = " ".join(text for _, text in expressions())
    suffixes = "|".join({suffix for kinds in _OF_KIND.values() for suffix in kinds if suffix and suffix != "_total"})
    names = {re.sub(f"({suffixes})$", "", name) for name in metrics()} - {"up", "s3gw_info"}
    assert [name for name in sorted(names) if name not in shown] == []
