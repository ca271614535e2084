"""What rules cost: CPU of a bucket owner's GET, HEAD and PUT of 4 KiB, without a policy and with one of 20 statements.

    python -m bench.rules [--rounds 12] [--seconds 2] [--against COMMIT …]

The servers run at the same time, one worker each, and take turns: each round measures all of them, in another order
each time. A ratio is of two measurements of the same round, and told as the median of all rounds with the
interval that holds it with 95 % certainty, by order statistics, which supposes nothing about how the noise is spread.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import statistics
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from bench import signing
from bench.client import Connection
from bench.commits import checked_out, this_commit
from bench.servers import HERE, Code, Running, new_folder, ours_for_a_user, wait_until_quiet
from bench.small import Options, Small
from bench.table import render

_WORK = {"GET 4 KiB": Small.get, "HEAD 4 KiB": Small.head, "PUT 4 KiB": Small.put}
_PLAIN, _RULED = "without a policy", "20 statements"


def policy() -> bytes:
    """Twenty statements that all have to be looked at for the owner's requests, and let them pass.

    Denials for everybody that depend on the key, the address, the date or a header, as guides recommend them, and
    permissions of other users and of everybody under some prefix.
    """
    bucket, keys = f"arn:aws:s3:::{signing.BUCKET}", f"arn:aws:s3:::{signing.BUCKET}/*"
    denied = {"Effect": "Deny", "Principal": "*"}
    conditions = (
        {"StringEquals": {"s3:x-amz-acl": ["public-read", "public-read-write"]}},
        {"NotIpAddress": {"aws:SourceIp": ["127.0.0.0/8", "10.0.0.0/8", "192.168.0.0/16"]}},
        {"DateGreaterThan": {"aws:CurrentTime": "2090-01-01T00:00:00Z"}},
        {"StringLike": {"aws:UserAgent": ["*curl/1.*", "*evil*"]}},
        {"NumericGreaterThan": {"s3:signatureAge": "900000"}},
    )
    statements = [
        {**denied, "Sid": f"Deny{n}", "Action": "s3:*", "Resource": [bucket, keys], "Condition": condition}
        for n, condition in enumerate(conditions)
    ]
    statements += [
        {
            **denied,
            "Sid": f"Prefix{n}",
            "Action": ["s3:PutObject*", "s3:GetObject*"],
            "Resource": f"{bucket}/no{n}/*/x*",
        }
        for n in range(5)
    ]
    statements += [
        {
            "Sid": f"User{n}", "Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"],
            "Principal": {"AWS": f"arn:aws:iam::123456789012:user/colleague-{n}"}, "Resource": f"{bucket}/shared-{n}/*",
        }
        for n in range(10)
    ]  # fmt: skip
    return json.dumps({"Version": "2012-10-17", "Statement": statements}).encode()


def _set_policy(server: Running) -> None:
    connection = Connection(server.port)
    connection.exchange(signing.Signer().put(f"/{signing.BUCKET}", policy(), {"policy": ""}))
    connection.close()


def measure(
    codes: Sequence[tuple[str, Code]], rounds: int, seconds: float, folder: Path
) -> dict[str, dict[str, list[float]]]:
    """CPU microseconds of one request, of each round, by work and server."""
    options = Options(seconds=seconds, rounds=1, objects=10_000)
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with contextlib.ExitStack() as stack:
        smalls = {}
        for name, code in codes:
            server = stack.enter_context(ours_for_a_user(code=code))
            smalls[name] = Small(server, options, folder)
            smalls[name].fill()
            if name == _RULED:
                _set_policy(server)
        servers = [small.server for small in smalls.values()]
        for number in range(rounds):
            for work, run in _WORK.items():
                names = list(smalls)[:: 1 if number % 2 == 0 else -1]
                turn = number // 2 % len(names)
                for name in names[turn:] + names[:turn]:  # none is always the one after another
                    wait_until_quiet(servers)
                    os.sync()
                    load = run(smalls[name])
                    if not load.is_valid:
                        raise RuntimeError(f"{work}, {name}: {load.describe()}")
                    found[work][name].append(load.cpu)
                    print(f"  … round {number + 1}, {work}, {name}: {load.cpu:.0f} µs", file=sys.stderr, flush=True)
    return found


def ratio(values: Sequence[float], others: Sequence[float]) -> str:
    """The median of the rounds' ratios, and its interval of at least 95 % (none of that many with fewer than six)."""
    found = sorted(value / other for value, other in zip(values, others, strict=True))
    below = 0  # how many of the lowest, and of the highest, may be left out
    while 2 * sum(math.comb(len(found), k) for k in range(below + 1)) <= 0.05 * 2 ** len(found):
        below += 1
    low, high = found[max(below - 1, 0)], found[-max(below, 1)]
    return f"{statistics.median(found):.3f} ({low:.3f}–{high:.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what rules cost.")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument(
        "--seconds", type=float, default=2.0, help="of each measurement: where the machine's speed drifts, short ones"
    )
    parser.add_argument(
        "--against", metavar="COMMIT", nargs="+", default=(), help="measure others too, without a policy, in turns"
    )
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(new_folder())
        codes = [(_PLAIN, HERE), (_RULED, HERE)]
        others = [stack.enter_context(checked_out(commit)) for commit in arguments.against]
        codes = [(other.name, other) for other in others] + codes
        found = measure(codes, arguments.rounds, arguments.seconds, folder)
    names = [name for name, _ in codes]
    first = names[0]
    header = (f"{this_commit()}, {arguments.rounds} rounds", *names, *(f"{name} / {first}" for name in names[1:]))
    lines = []
    for work, servers in found.items():
        medians = [f"{statistics.median(servers[name]):.0f} µs" for name in names]
        lines.append([work, *medians, *(ratio(servers[name], servers[first]) for name in names[1:])])
    print(render(header, lines))


if __name__ == "__main__":
    main()
