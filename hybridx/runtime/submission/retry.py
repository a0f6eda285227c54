"""A submission repeated after an error that may pass: of the network, or of a busy service."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final, TypeVar

from hybridx.errors import HybridxError
from hybridx.runtime.secrets import describe, shown
from hybridx.runtime.submission.vendor_errors import TRANSIENT

_T = TypeVar("_T")

FIRST_PAUSE: Final = 1.0
"""Seconds before the first repetition; each further pause is twice as long."""

log = logging.getLogger(__name__)


def submit(
    prepare: Callable[[], Callable[[], _T]],
    retries: int,
    device: str,
    failure: Callable[[Exception], HybridxError],
) -> _T:
    """Return what a submission returns, and repeat it after a pause if its error may pass.

    Args:
        prepare: called before each attempt; returns the function that sends. What it raises is
            raised at once.
        retries: how often the submission is repeated at most.
        device: name of the device, for the log.
        failure: returns the typed error for what the last attempt raised.

    Raises:
        HybridxError: what `failure` returns.
    """
    pause = FIRST_PAUSE
    for left in range(retries, -1, -1):
        send = prepare()
        try:
            return send()
        except Exception as error:
            # A device is third-party code and may raise anything.
            if not left or not TRANSIENT.fit(error):
                raise failure(error) from shown(error)
            log.warning("%s failed (%s); again in %g s", device, describe(error), pause)
        time.sleep(pause)
        pause *= 2
    raise AssertionError("the last attempt returns or raises")
