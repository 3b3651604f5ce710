"""Feeds made-up bytes to item streams: ``python -m tests.fuzz.streams --runs N [TARGET …]``.

Atheris changes inputs so that they reach new places of ``backups.streams``. Each target runs in a
process of its own, because the fuzzer ends its process. An input that a target does not stand is
written to ``--keep``, and named; running a target with ``--input FILE`` repeats it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

SECONDS_PER_INPUT = 20
"""An input that takes longer hangs."""
MEMORY_MB = 1024
LONGEST = 8192
"""Bytes of an input, at most."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.streams", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="all, when none is named")
    parser.add_argument("--runs", type=int, default=10_000, help="inputs for each target")
    parser.add_argument("--seconds", type=int, default=0, help="end a target after so long")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=Path(), help="folder for failing inputs")
    parser.add_argument("--input", type=Path, help="run the one target with this file alone")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.inside:
        _fuzz(options)
    from .targets import TARGETS

    if unknown := set(options.targets) - set(TARGETS):
        parser.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    if options.input:
        for name in options.targets:
            TARGETS[name](options.input.read_bytes())
        return 0
    failed = [name for name in options.targets or TARGETS if not _run(name, options)]
    print(f"failed: {', '.join(failed)}" if failed else "every target stood it")
    return 1 if failed else 0


def _run(name: str, options: argparse.Namespace) -> bool:
    numbers = [f"--runs={options.runs}", f"--seconds={options.seconds}", f"--seed={options.seed}"]
    command = [sys.executable, "-m", "tests.fuzz.streams", name, "--inside", *numbers]
    return subprocess.run([*command, f"--keep={options.keep}"], check=False).returncode == 0


def _fuzz(options: argparse.Namespace) -> None:
    """Never returns: the fuzzer ends the process."""
    import atheris

    with atheris.instrument_imports(include=["backups.streams", "backups.parts"]):
        from .targets import TARGETS
    from .seeds import SEEDS

    (name,) = options.targets
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(SEEDS[name]):
            (Path(folder) / str(number)).write_bytes(seed)
        flags = {
            "runs": options.runs,
            "max_total_time": options.seconds,
            "seed": options.seed,
            "max_len": LONGEST,
            "timeout": SECONDS_PER_INPUT,
            "rss_limit_mb": MEMORY_MB,
            "print_final_stats": 1,
            "verbosity": 0,
        }
        listed = [f"-{flag}={value}" for flag, value in flags.items()]
        kept = f"-artifact_prefix={options.keep.resolve()}/{name}-"
        atheris.Setup([sys.argv[0], *listed, kept, folder], TARGETS[name])
        atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
