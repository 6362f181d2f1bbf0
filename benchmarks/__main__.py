"""``python -m benchmarks``: measure, and write ``results.json``, ``results.md`` and a short table."""

from __future__ import annotations

import argparse
import asyncio
import signal
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks import browser, report
from benchmarks.bench import Bench
from benchmarks.measures import first_plot, lifetimes, pages, resources, round_trips, slider, stalls
from benchmarks.peers import BY_NAME, CONTESTANTS
from benchmarks.plan import FULL, MEASURES, QUICK, SMOKE, Plan
from benchmarks.results import Results

TOGETHER = {module.NAME: module for module in (first_plot, slider, pages, round_trips)}
"""Measures for which everybody runs at once and takes turns."""
IN_CHROMIUM = {first_plot.NAME, slider.NAME}
ALONE = {module.NAME: module for module in (stalls, resources, lifetimes)}
"""Measures for which only one contestant runs at a time."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="few values of everything, in five minutes")
    size.add_argument("--smoke", action="store_true", help="does it run? a few contestants, in half a minute")
    parser.add_argument("--only", nargs="+", metavar="MEASURE", choices=MEASURES, help=", ".join(MEASURES))
    names = [contestant.name for contestant in CONTESTANTS]
    parser.add_argument("--contestants", nargs="+", metavar="NAME", choices=names, help=", ".join(names))
    parser.add_argument("--reference", default="bokeh-serve", choices=names, help="whom the ratios refer to")
    parser.add_argument("--rounds", type=int, help="how often everybody has a turn")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", help="further settings of this project"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("benchmark-results"), help="folder for the results (%(default)s)"
    )
    return parser.parse_args()


def plan_of(options: argparse.Namespace) -> Plan:
    plan = QUICK if options.quick else SMOKE if options.smoke else FULL
    if options.rounds:
        plan = replace(plan, rounds=options.rounds, plots=options.rounds, starts=options.rounds)
    if options.only:
        plan = replace(plan, measures=tuple(options.only))
    if options.contestants:
        plan = replace(plan, contestants=tuple(options.contestants))
    return plan


async def compare(options: argparse.Namespace, work: Path) -> None:
    plan = plan_of(options)
    results = Results()
    task = asyncio.current_task()
    if task is not None:  # told to end: end the contestants too, and write what there is
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    about = report.environment()
    names = set(plan.contestants or BY_NAME.keys() - set(plan.left_out))
    chosen = [contestant for contestant in CONTESTANTS if contestant.name in names]
    results.absent = {contestant.name: why for contestant in chosen if (why := contestant.missing())}
    present = [contestant for contestant in chosen if contestant.name not in results.absent]
    bench = Bench(present, plan, results, work, dict(setting.split("=", 1) for setting in options.set))
    bench.prepare()
    bench.say(f"this project is at {report.project(work)}")
    if (why := browser.missing()) and IN_CHROMIUM & set(plan.measures):
        results.remark(f"Nothing was looked at in a browser: {why}")
        plan = replace(plan, measures=tuple(name for name in plan.measures if name not in IN_CHROMIUM))
    together = [module for name, module in TOGETHER.items() if name in plan.measures]
    try:
        if together:
            async with bench.all_running() as sites:
                for module in together:
                    await module.measure(bench, sites)
        for name, alone in ALONE.items():
            if name in plan.measures:
                await alone.measure(bench)
    finally:
        report.write(options.out, results, about, chosen, options.reference)
        bench.say(f"written: {options.out / 'results.md'}")


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as work:
        asyncio.run(compare(options, Path(work)))
    print((options.out / "results.md").read_text())


if __name__ == "__main__":
    main()
