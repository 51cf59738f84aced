"""Throw broken datagrams at the codec and count what comes of them.

    python tests/fuzz/fuzz_wire.py --inputs 1000000 --seed 1

Laws checked for each: opening never raises; an opened message can be encoded in netstring form and
decodes to itself. The same bytes go through the stream splitter. Ends with status 1 and the
offending bytes at the first breach.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

sys.path[:0] = [
    str(Path(__file__).parents[1]),
    str(Path(__file__).parents[2] / "src"),
]

# ruff: noqa: E402 - the path must be set first for a run from the command line
from everbeat.wire.datagram import Rejected, open_datagram
from everbeat.wire.netstring import decode_netstring, encode_netstring
from everbeat.wire.stream import StreamSplitter
from fuzz.mutator import KEYS, Mutator, captured_datagrams

if TYPE_CHECKING:
    from collections.abc import Callable


def codec_receiver() -> Callable[[bytes], str]:
    """Return a receiver that is the codec alone."""
    splitter = StreamSplitter(64 * 1024)

    def receive(data: bytes) -> str:
        splitter.feed(data)
        opened = open_datagram(data, KEYS)
        if isinstance(opened, Rejected):
            return f"rejected {opened.reason}"
        encoded = encode_netstring(opened.message)
        assert decode_netstring(encoded) == (opened.message, len(encoded)), "not itself again"
        return f"opened {opened.form}{' compressed' if opened.is_compressed else ''}"

    return receive


def fuzz(receive: Callable[[bytes], str], inputs: int, seed: int) -> Counter[str]:
    """Feed mutated captures to a receiver; return how often each outcome came.

    Raises what the receiver raises, with the seed, the number and the datagram as a note.
    """
    outcomes: Counter[str] = Counter()
    mutator = Mutator(captured_datagrams(), KEYS, Random(seed))  # noqa: S311 - repeatable on purpose
    for number, data in enumerate(mutator.datagrams(inputs)):
        try:
            outcomes[receive(data)] += 1
        except BaseException as error:
            error.add_note(f"seed {seed} input {number}: {data!r}")
            raise
    return outcomes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    started = time.monotonic()
    outcomes = fuzz(codec_receiver(), options.inputs, options.seed)
    seconds = time.monotonic() - started
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{options.inputs} inputs, seed {options.seed}, {seconds:.1f} s, peak {peak_mib:.0f} MiB")
    for outcome, count in outcomes.most_common():
        print(f"{count:9d} {outcome}")


if __name__ == "__main__":
    main()
