"""Random expressions against independent oracles.

python -m tests.fuzz --seed 0 --count 100
    a hundred examples of every family
python -m tests.fuzz --seed 0 --count 100000 --seconds 3600 --family index,numpy
    of two families, for at most an hour
python -m tests.fuzz --seed 0 --only index:17
    one example again, with the program that it ran
python -m tests.fuzz --mutate 1000000
    a million strings that are nearly formulas, which are only read

The same seed, family and number give the same example on every machine. The exit code is 1 where
something disagrees, and a program that shows it is printed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tests.fuzz.running import ASKED, FAMILIES, Report, default_jobs, example, outcomes
from tests.fuzz.strings import STRINGS


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    report = Report(options.quiet)
    if options.only:
        for family, number in options.only:
            outcome = example(options.seed, family, number)
            print(outcome.program, end="\n\n")
            report.add(outcome)
    else:
        families = [f for given in options.family or [",".join(FAMILIES)] for f in given.split(",")]
        if options.mutate is not None:
            families, options.count = ["strings"], -(-options.mutate // STRINGS)
        tasks = ((family, k) for k in range(options.count) for family in families)
        for outcome in outcomes(options.seed, tasks, options.jobs, options.seconds):
            report.add(outcome)
    print(report)
    return 1 if report.disagreements else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", default="0", help="any text (default: 0)")
    parser.add_argument("--count", type=int, default=100, help="examples of each family")
    parser.add_argument("--seconds", type=float, help="begin no example after this time")
    parser.add_argument(
        "--family", action="append", type=_families, help=f"of {', '.join(FAMILIES)}"
    )
    parser.add_argument(
        "--mutate", type=int, metavar="N", help="in place of the families: N strings, only read"
    )
    parser.add_argument(
        "--only", action="append", type=_key, metavar="FAMILY:K", help="only this example"
    )
    parser.add_argument("--jobs", type=int, default=default_jobs(), help="processes")
    parser.add_argument("--quiet", action="store_true", help="only the table at the end")
    return parser


def _families(text: str) -> str:
    unknown = set(text.split(",")) - {*FAMILIES, *ASKED}
    if unknown:
        raise argparse.ArgumentTypeError(f"no family {', '.join(sorted(unknown))}")
    return text


def _key(text: str) -> tuple[str, int]:
    family, _, number = text.partition(":")
    return _families(family), int(number)


if __name__ == "__main__":
    sys.exit(main())
