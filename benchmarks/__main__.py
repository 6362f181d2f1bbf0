"""``python -m benchmarks``: run the comparison; write ``results.json``, ``results.md`` and ``short.md``."""

from __future__ import annotations

import argparse
import asyncio
import signal
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks import browser, report
from benchmarks.bench import Bench
from benchmarks.contestants import BEFORE, CONTESTANTS, Contestant, earlier_commit
from benchmarks.measures import first_plot, lifetimes, pages, resources, round_trips, slider, stalls
from benchmarks.plan import FULL, MEASURES, QUICK, SMOKE, Plan
from benchmarks.results import Results

INTERLEAVED = {module.NAME: module for module in (first_plot, slider, pages, round_trips)}
"""Measures for which all contestants run at the same time and are measured in alternation."""
ISOLATED = {module.NAME: module for module in (stalls, resources, lifetimes)}
"""Measures for which one contestant runs at a time."""
IN_CHROMIUM = {first_plot.NAME, slider.NAME}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="small counts: five minutes")
    size.add_argument("--smoke", action="store_true", help="check that it works: half a minute")
    parser.add_argument("--only", nargs="+", metavar="MEASURE", choices=MEASURES, help=", ".join(MEASURES))
    names = [contestant.name for contestant in CONTESTANTS]
    parser.add_argument("--contestants", nargs="+", metavar="NAME", choices=names, help=", ".join(names))
    parser.add_argument(
        "--before",
        type=Path,
        metavar="CHECKOUT",
        help=f"add the contestant {BEFORE!r}: quart-relay of a checkout of an earlier commit",
    )
    parser.add_argument(
        "--reference",
        metavar="NAME",
        choices=[*names, BEFORE],
        help=f"contestant that the ratios refer to ({BEFORE!r} if there is one, else bokeh-serve)",
    )
    parser.add_argument("--rounds", type=int, help="number of rounds")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", help="further settings of this project"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("benchmark-results"), help="folder for the results (%(default)s)"
    )
    options = parser.parse_args()
    if options.before and not (options.before / "quart_app").is_dir():
        parser.error(f"--before: {options.before} contains no folder quart_app")
    if options.reference == BEFORE and not options.before:
        parser.error(f"--reference {BEFORE} needs --before")
    options.reference = options.reference or (BEFORE if options.before else "bokeh-serve")
    return options


def make_plan(options: argparse.Namespace) -> Plan:
    plan = QUICK if options.quick else SMOKE if options.smoke else FULL
    if options.rounds:
        plan = replace(plan, rounds=options.rounds, plot_rounds=options.rounds, starts=options.rounds)
    if options.only:
        plan = replace(plan, measures=tuple(options.only))
    if options.contestants:
        plan = replace(plan, contestants=tuple(options.contestants))
    return plan


def choose_contestants(options: argparse.Namespace, plan: Plan) -> list[Contestant]:
    """Return the contestants to run: those of the plan, and the one of ``--before``."""
    chosen = [
        contestant
        for contestant in CONTESTANTS
        if (contestant.name in plan.contestants if plan.contestants else contestant.name not in plan.excluded)
    ]
    return [earlier_commit(options.before), *chosen] if options.before else chosen


async def compare(options: argparse.Namespace, work: Path) -> None:
    plan = make_plan(options)
    results = Results()
    task = asyncio.current_task()
    if task is not None:  # on SIGTERM: stop the contestants, and write the results so far
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    about = report.environment()
    chosen = choose_contestants(options, plan)
    results.absent = {
        contestant.name: reason for contestant in chosen if (reason := contestant.missing_requirement())
    }
    present = [contestant for contestant in chosen if contestant.name not in results.absent]
    bench = Bench(present, plan, results, work, dict(setting.split("=", 1) for setting in options.set))
    bench.prepare()
    bench.log(f"this project: {report.package_folder(work)}")
    if (reason := browser.missing_browser()) and IN_CHROMIUM & set(plan.measures):
        results.add_remark(f"Nothing was measured in a browser: {reason}")
        plan = replace(plan, measures=tuple(name for name in plan.measures if name not in IN_CHROMIUM))
    interleaved = [module for name, module in INTERLEAVED.items() if name in plan.measures]
    try:
        if interleaved:
            async with bench.all_running() as sites:
                for module in interleaved:
                    await module.measure(bench, sites)
        for name, isolated in ISOLATED.items():
            if name in plan.measures:
                await isolated.measure(bench)
    finally:
        reference = next(each for each in [*chosen, *CONTESTANTS] if each.name == options.reference)
        report.write(options.out, results, about, chosen, reference)
        bench.log(f"written: {options.out / 'results.md'}")


def main() -> None:
    options = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as work:
        asyncio.run(compare(options, Path(work)))
    print((options.out / "results.md").read_text())


if __name__ == "__main__":
    main()
