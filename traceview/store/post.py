"""Posts one letter to its URL: what is sent, how it is signed, and what an answer means.

Signatures are those of the Standard Webhooks specification (www.standardwebhooks.com, "Webhook metadata" and "Symmetric
signatures"): HMAC-SHA256 over id, time and body, joined by dots.
"""

from __future__ import annotations

import base64
import enum
import hashlib
import hmac
import re
import ssl
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import TracebackType
from urllib.parse import unquote_to_bytes

from urllib3 import PoolManager, Timeout
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationValueError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.util import Url, parse_url

from traceview.errors import TriageError
from traceview.store.model import Letter

__all__ = ["Answer", "Outcome", "Poster", "check_url", "parse_secret", "retry_after", "shown_url"]

_PATIENCE_S = 10.0
"""How long a receiver has for its answer."""
_MOST_READ = 1 << 16
"""How much of an answer is read, so that its connection can serve the next letter."""
_LEAST_KEY = 24
_PREFIX = "whsec_"
_SOON = {408, 425, 429, *range(500, 600)}
"""The statuses that may be others in a moment."""
_NO_URL = "is no URL that can be posted to"
_TELLS_WHEN = {429, 503}
_LONGEST_ASKED = timedelta(days=1)
"""Who asks to be left alone for longer is asked again after a day."""


class Outcome(enum.Enum):
    """What an answer, or none, means for a letter and for its receiver."""

    DELIVERED = enum.auto()
    SOON = enum.auto()
    """It may be taken if it is tried again in a moment."""
    REFUSED = enum.auto()
    """This letter is not taken now; others may be."""
    SHUT = enum.auto()
    """This receiver takes no letter now."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a POST. `error` says of the receiver what it did ("answered 500"), in words that are ours alone."""

    outcome: Outcome
    error: str = ""
    retry_after: timedelta = timedelta()
    """For how long the receiver asked to be left alone, a day at most."""


def parse_secret(text: str) -> bytes:
    """Return the key of a webhook's secret: ``whsec_`` and base64, or plain text; at least 24 bytes.

    Blanks and line ends around it are left off. Raises TriageError, which does not tell the secret.
    """
    text = text.strip()
    key = text.encode("utf-8", "surrogateescape")
    if text.startswith(_PREFIX):
        written = text.removeprefix(_PREFIX).rstrip("=")
        try:
            key = base64.b64decode(written + "=" * (-len(written) % 4), validate=True)
        except ValueError as e:
            raise TriageError(
                "the webhook's secret begins with whsec_: expected base64 behind it, as in whsec_MfKQ9r8G…"
            ) from e
    if len(key) < _LEAST_KEY:
        raise TriageError(
            f"the webhook's secret has {len(key)} bytes: expected at least {_LEAST_KEY}, as whsec_ and base64 or as "
            "plain text; `openssl rand -base64 32` makes what can stand behind whsec_"
        )
    return key


def check_url(text: str) -> str:
    """Return the URL of a webhook, without blanks around it.

    Raises TriageError, which does not tell credentials, unless it is http or https, with a host.
    """
    url = text.strip()
    if _parsed(url) is None:
        raise TriageError(
            f"'{shown_url(url)}' {_NO_URL}: expected http:// or https:// and a host, such as "
            "https://triage.example/hooks/traceview"
        )
    return url


def shown_url(url: str) -> str:
    """Return a URL as it can be shown: without user, password, query and fragment, in which secrets may stand."""
    parsed = _parsed(url)
    if parsed is not None:
        return parsed._replace(auth=None, query=None, fragment=None).url
    # Whatever it is: what stands before an @ may be a password, and the rest may steer a terminal.
    bare = re.sub(r"(?s)^([a-zA-Z]+://)?.*@", r"\1", url)
    return ascii(re.split(r"[?#]", bare)[0])[1:-1]


def _parsed(url: str) -> Url | None:
    """Return the parts of a URL that can be posted to, None for any other text."""
    with suppress(LocationValueError, UnicodeError):
        parsed = parse_url(url)
        if parsed.scheme in ("http", "https") and parsed.host and not re.search(r"[\s\x00-\x1f\x7f]", url):
            parsed.host.encode("idna")  # refuses labels that no name server knows: empty ones, too long ones
            return parsed
    return None


class Poster:
    """Posts letters, over connections that it keeps while entered. `key` signs them, None leaves them unsigned."""

    def __init__(self, key: bytes | None) -> None:
        self._key = key
        self._pool = PoolManager(cert_reqs=ssl.CERT_REQUIRED)

    def __enter__(self) -> Poster:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:  # fmt: skip
        self._pool.clear()

    def post(self, letter: Letter, *, now: datetime, timeout_s: float) -> Answer:
        """Post a letter and return what came of it, after `timeout_s` seconds and never more than 10."""
        url = _parsed(letter.url)
        if url is None:
            return Answer(Outcome.SHUT, _NO_URL)
        patience = min(timeout_s, _PATIENCE_S)
        body = letter.payload.encode()
        headers = self._headers(letter.id, now, body)
        if url.auth is not None:
            headers["authorization"] = "Basic " + base64.b64encode(unquote_to_bytes(url.auth)).decode()
        bare = url._replace(auth=None, fragment=None).url
        # Timeouts of sockets do not bound the resolving of names, nor an answer that comes byte by byte.
        awaited: Future[Answer] = Future()

        def work() -> None:
            try:
                awaited.set_result(self._send(bare, body, headers, patience, now))
            except BaseException as e:  # noqa: BLE001  (it is raised where the answer is awaited)
                awaited.set_exception(e)

        threading.Thread(target=work, name="traceview-webhook", daemon=True).start()
        try:
            return awaited.result(patience + 0.25)
        except TimeoutError:
            return Answer(Outcome.SOON, f"gave no whole answer within {patience:.3g} s")

    def _headers(self, letter_id: str, now: datetime, body: bytes) -> dict[str, str]:
        sent_at = str(int(now.timestamp()))
        headers = {
            "content-type": "application/json", "user-agent": "traceview", "webhook-id": letter_id,
            "webhook-timestamp": sent_at,
        }  # fmt: skip
        if self._key is not None:
            signed = hmac.new(self._key, f"{letter_id}.{sent_at}.".encode() + body, hashlib.sha256)
            headers["webhook-signature"] = "v1," + base64.b64encode(signed.digest()).decode()
        return headers

    def _send(self, url: str, body: bytes, headers: Mapping[str, str], patience: float, now: datetime) -> Answer:
        try:
            response = self._pool.request(
                "POST", url, body=body, headers=headers, timeout=Timeout(total=patience),
                redirect=False, retries=False, preload_content=False, decode_content=False,
            )  # fmt: skip
        except HTTPError as e:
            return _unanswered(e, patience)
        try:
            with suppress(HTTPError):  # its status is what counts
                response.read(_MOST_READ)
            return _answered(response.status, response.headers.get("retry-after", ""), now)
        finally:
            response.close()


def _answered(status: int, asked: str, now: datetime) -> Answer:
    error = f"answered {status}"
    if 200 <= status < 300:
        return Answer(Outcome.DELIVERED)
    if status in _SOON:
        return Answer(Outcome.SOON, error, retry_after(asked, now) if status in _TELLS_WHEN else timedelta())
    if 300 <= status < 400:
        return Answer(Outcome.SHUT, f"{error}: redirects are not followed, give the URL that it leads to")
    if status == 410:
        return Answer(Outcome.SHUT, f"{error}: it says that it is gone for good")
    return Answer(Outcome.REFUSED, error)


def retry_after(text: str, now: datetime) -> timedelta:
    """Return what a Retry-After header asks for (RFC 9110, 10.2.3): seconds or a date; nothing where it is neither."""
    text = text.strip()
    if re.fullmatch(r"[0-9]+", text):
        asked = timedelta(seconds=int(text[:9]))  # so many digits are more than a day anyway
    else:
        try:
            when = parsedate_to_datetime(text)
            asked = (when if when.tzinfo is not None else when.replace(tzinfo=UTC)) - now
        except (ValueError, OverflowError):
            return timedelta()
    return min(max(asked, timedelta()), _LONGEST_ASKED)


def _unanswered(error: HTTPError, patience: float) -> Answer:
    cause = error.__cause__ or (error.args[0] if error.args and isinstance(error.args[0], Exception) else None)
    match error:
        case SSLError() if isinstance(cause, ssl.SSLCertVerificationError):
            return Answer(Outcome.SHUT, f"has a certificate that is not trusted: {cause.verify_message}")
        case SSLError():
            words = "does not speak TLS as expected"
        case NameResolutionError():
            words = "could not be reached: its name is not known"
        case NewConnectionError():
            words = f"could not be reached: {cause.strerror if isinstance(cause, OSError) else 'no connection'}"
        case ConnectTimeoutError():
            words = f"could not be reached within {patience:.3g} s"
        case ReadTimeoutError():
            words = f"gave no answer within {patience:.3g} s"
        case ProtocolError():
            words = "broke off the connection before it answered"
        case _:
            words = f"could not be asked ({type(error).__name__})"
    return Answer(Outcome.SOON, words)
