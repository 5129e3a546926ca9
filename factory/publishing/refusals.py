"""What the Hub's client raises, as what the user can do: who may go on with the same command, and who may not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from json import JSONDecodeError

from factory.errors import FactoryError, Stopped, UsageError, first_line

AGAIN = "run the same command again; what has arrived is not sent again"
BUSY = (408, 425, 429)
"""Refusals that pass (RFC 9110, RFC 8470, RFC 6585); so do all from 500 on."""
STORAGE = re.compile(r"storage|quota|out of space|too large|size limit", re.IGNORECASE)
"""In the Hub's words on want of room: "Private repository storage limit reached", "Your storage patterns tripped our
internal systems!" (github.com/huggingface/huggingface_hub, issues 3049 and 3366); both come as 403."""


XET = re.compile(r"HTTP status client error \((\d{3}[^)]*)\)")
"""In what Xet's client says of a refusal by its store; it drops the reason (hf_xet raises a bare ConnectionError)."""


class Offline(UsageError):
    """The client was told not to connect."""


class Unreachable(Stopped):
    """Nobody answers, or the connection broke."""


@contextmanager
def understood(repo: str) -> Iterator[None]:
    """Turn what the client raises into what the user can do.

    Raises:
        UsageError: a wrong name, or no right to the repository.
        FactoryError: the Hub refuses; the same command would be refused again.
        Stopped: the same command goes on.
    """
    from httpx2 import HTTPError
    from huggingface_hub.errors import HFValidationError, OfflineModeIsEnabled

    try:
        yield
    except FactoryError:
        raise
    except HFValidationError as error:
        raise UsageError(
            f"{repo} is not a repository name: {first_line(error)}", do="give OWNER/NAME"
        ) from error
    except OfflineModeIsEnabled as error:
        raise Offline("the Hub's client is in offline mode", do="unset HF_HUB_OFFLINE") from error
    except (HTTPError, OSError, RuntimeError, ValueError) as error:
        raise _meaning(error, repo) from error


def _meaning(error: BaseException, repo: str) -> FactoryError:
    from huggingface_hub.errors import HfHubHTTPError

    answer = next((each for each in _causes(error) if isinstance(each, HfHubHTTPError)), None)
    if answer is None or answer.response is None:
        said = first_line(error)
        if STORAGE.search(str(error)):
            return _no_room(repo, "; ".join(str(error).split("\n")))
        if (found := XET.search(str(error))) and int(found[1][:3]) not in BUSY:
            return _refused(repo, f"its file store: {found[1]}")
        if isinstance(error, ValueError) and not isinstance(error, JSONDecodeError):
            return _refused(repo, "; ".join(str(error).split("\n")))
        return Unreachable(f"the connection to the Hub for {repo} broke off: {said}", do=AGAIN)
    status = answer.response.status_code
    said = "; ".join((answer.server_message or first_line(answer)).split("\n"))
    if status in BUSY or status >= 500 or "expired" in said.lower():
        return Stopped(f"the Hub answered {status}: {said}", do=AGAIN)
    if status in (402, 403, 413) and STORAGE.search(said):
        return _no_room(repo, f"{status}: {said}")
    if status in (401, 403, 404):
        return UsageError(
            f"no right to write to {repo} ({status}: {said})",
            do="`hf auth login` with a token that may write",
        )
    if status in (409, 412):
        return Stopped(f"somebody else changed {repo} meanwhile", do=AGAIN)
    return _refused(repo, f"{status}: {said}")


def _no_room(repo: str, said: str) -> FactoryError:
    return FactoryError(
        f"the Hub has no room for {repo} ({said})", do="free storage there, or ask the Hub for more"
    )


def _refused(repo: str, said: str) -> FactoryError:
    return FactoryError(f"the Hub refuses {repo} ({said})", do="correct that and publish again")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, what it was raised from, and so on: the client wraps what failed in a thread of its own."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
